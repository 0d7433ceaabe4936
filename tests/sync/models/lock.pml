// SPDX-License-Identifier: Apache-2.0
// The lock word (lib/sync/lock_word.hpp) under every interleaving of PROCESSES that take it ROUNDS
// times, of whom KILLS are killed at any step. Sleeps have no slices here but where it says so.
//
// With TIMEOUTS defined whoever waits may also give up.
//
// Checked: never two inside; who enters after a death inside has been told; and where nothing moves
// any more nobody sleeps.

#ifndef PROCESSES
#define PROCESSES 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef KILLS
#define KILLS 2
#endif

#define FREE 0
#define ABANDONED 1
#define TAG(i) ((i) + 2)
#define PROCESS(tag) ((tag) - 2)

byte owner;  // the word: owner, `sleepers`, `waking`
bit S, W;

bit asleep[PROCESSES];
byte watched[PROCESSES];  // whose lease it sleeps on as well: a tag
bit in_slice[PROCESSES];
bit armed[PROCESSES];
bit killed[PROCESSES];  // SIGKILL is on its way
bit dead[PROCESSES];
byte inside;
bit torn;

#define IS_SEEN (owner == seen && S == seen_S && W == seen_W)

inline look() {
  d_step { seen = owner; seen_S = S; seen_W = W; }
}
// A sleep ends by itself where it began while somebody was on the way, and where the lock has since
// come to one whose lease this sleeper does not watch and who has died: the burial wakes it, or its
// slice.
#define MAY_WAKE_BY_ITSELF \
  (in_slice[me] || (owner > ABANDONED && owner != watched[me] && dead[PROCESS(owner)]))

// The CAS of the whole word. `done` tells whether it happened.
inline cas(new_owner, new_S, new_W) {
  d_step {
    if
    :: IS_SEEN -> owner = new_owner; S = new_S; W = new_W; done = 1;
    :: else -> done = 0;
    fi
  }
}

// FUTEX_WAKE of one: any of those who sleep, also one who is being killed.
inline wake_one() {
  if
  :: d_step { asleep[0] -> asleep[0] = 0; done = 1 }
  :: d_step { asleep[1] -> asleep[1] = 0; done = 1 }
#if PROCESSES > 2
  :: d_step { asleep[2] -> asleep[2] = 0; done = 1 }
#endif
  :: d_step {
#if PROCESSES > 2
       !asleep[2] &&
#endif
       !asleep[0] && !asleep[1] -> done = 0 }
  fi
}
// FUTEX_WAKE of all, or the tree's gate.
inline wake_all() {
  d_step {
    asleep[0] = 0; asleep[1] = 0;
#if PROCESSES > 2
    asleep[2] = 0;
#endif
  }
}
// The kernel wakes one of those who sleep on the lease of the dead; it passes that on.
inline wake_one_on_lease(tag) {
  if
  :: d_step { asleep[0] && watched[0] == tag -> asleep[0] = 0 }
  :: d_step { asleep[1] && watched[1] == tag -> asleep[1] = 0 }
#if PROCESSES > 2
  :: d_step { asleep[2] && watched[2] == tag -> asleep[2] = 0 }
#endif
  :: d_step {
#if PROCESSES > 2
       !(asleep[2] && watched[2] == tag) &&
#endif
       !(asleep[0] && watched[0] == tag) && !(asleep[1] && watched[1] == tag) -> skip }
  fi
}
inline wake_all_on_lease(tag) {
  d_step {
    if :: asleep[0] && watched[0] == tag -> asleep[0] = 0 :: else fi;
    if :: asleep[1] && watched[1] == tag -> asleep[1] = 0 :: else fi;
#if PROCESSES > 2
    if :: asleep[2] && watched[2] == tag -> asleep[2] = 0 :: else fi;
#endif
  }
}

proctype Process(byte me) {
  byte seen;
  bit seen_S, seen_W, done, slept, keep;
  byte rounds;
  {
    do
    :: rounds == ROUNDS -> break
    :: else ->
       d_step { rounds++; slept = 0; keep = 1 }
again: look();
       if
       :: seen == ABANDONED ->
          armed[me] = 0;  // acquire throws, and recover begins
          cas(TAG(me), seen_S, seen_W);
          if
          :: done -> torn = 0; goto taken
          :: else -> slept = 0; keep = 1; goto again
          fi
       :: seen == FREE ->
          cas(TAG(me), seen_S | slept, seen_W & keep);
          if
          :: done -> assert(!torn); goto taken
          :: else -> goto again
          fi
       :: else -> skip
       fi;
       if
       :: dead[PROCESS(seen)] ->
          armed[me] = 1;
          cas(ABANDONED, seen_S, 0);
          if :: done && seen_S -> wake_all() :: else fi;
          armed[me] = slept;
          goto again
       :: else -> skip
       fi;
       if
#ifdef TIMEOUTS
       :: cas(seen, seen_S | slept, seen_W & keep);  // the time is up
          if :: done -> armed[me] = 0; goto next :: else -> goto again fi
#endif
       :: skip
       fi;
       cas(seen, 1, seen_W & keep);
       if :: !done -> goto again :: else fi;
       d_step { seen_S = 1; seen_W = seen_W & keep; armed[me] = 1; slept = 1 }
       d_step {
         watched[me] = seen; in_slice[me] = seen_W;
         if
         :: IS_SEEN && !dead[PROCESS(seen)] -> asleep[me] = 1
         :: else
         fi
       }
       if
       :: !asleep[me]
       :: MAY_WAKE_BY_ITSELF && timeout -> asleep[me] = 0
       fi;
       if :: dead[PROCESS(watched[me])] -> wake_all_on_lease(watched[me]) :: else fi;
       d_step { keep = 0; watched[me] = 0; in_slice[me] = 0 }
       goto again;

taken: skip;
       d_step { armed[me] = 0; assert(inside == 0); inside = 1 }
       inside = 0;
out:   look();
       assert(seen == TAG(me));
       if
       :: seen_S && !seen_W ->
          armed[me] = 1;
          cas(FREE, 1, 1);
          if :: !done -> armed[me] = 0; goto out :: else fi;
          wake_one();
          if
          :: done -> skip
          :: else ->  // nobody slept
             seen = FREE; seen_S = 1; seen_W = 1;
             cas(FREE, 0, 0);
             if
             :: done -> wake_one()
             :: else ->
                do
                :: look();
                   if :: !seen_W -> break :: else -> cas(seen, seen_S, 0) fi
                od
             fi
          fi;
          armed[me] = 0
       :: else ->
          cas(FREE, seen_S, seen_S & seen_W);
          if :: !done -> goto out :: else fi
       fi;
next:  skip;
       d_step { seen = 0; seen_S = 0; seen_W = 0; done = 0; slept = 0; keep = 0 }
    od
  } unless {
    killed[me] ->
      d_step {
        asleep[me] = 0;
        if :: owner == TAG(me) -> torn = 1; inside = 0 :: else fi;
        dead[me] = 1;
        seen = 0; seen_S = 0; seen_W = 0; done = 0; slept = 0; keep = 0; rounds = 0;
        watched[me] = 0; in_slice[me] = 0
      }
      wake_one_on_lease(TAG(me));
      if :: armed[me] -> wake_all() :: else fi
  }
}

init {
  byte i, kills;
  atomic {
    for (i : 0 .. PROCESSES - 1) { run Process(i) }
  }
end:
  do
  :: kills < KILLS -> kills++;
     if
     :: killed[0] = 1
     :: killed[1] = 1
#if PROCESSES > 2
     :: killed[2] = 1
#endif
     fi
  :: break
  od
}
