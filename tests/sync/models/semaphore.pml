// SPDX-License-Identifier: Apache-2.0
// The counted semaphore (lib/sync/semaphore.cpp): each of PROCESSES acquires a permit and releases
// one, ROUNDS times; KILLS of them are killed at any step. Permits that the dead took stay taken.
// Sleeps have no slices here.
//
// Checked: never more permits than there were; and where nothing moves any more nobody sleeps while
// there is a permit.

#ifndef PROCESSES
#define PROCESSES 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef PERMITS
#define PERMITS 1
#endif

byte permits = PERMITS;  // the word
bit S;

bit asleep[PROCESSES];
bit armed[PROCESSES];
bit killed[PROCESSES];

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
inline wake_all() {
  d_step {
    asleep[0] = 0; asleep[1] = 0;
#if PROCESSES > 2
    asleep[2] = 0;
#endif
  }
}

proctype Process(byte me) {
  byte seen;
  bit seen_S, done, slept;
  byte rounds;
  {
    do
    :: rounds == ROUNDS -> break
    :: else ->
       rounds++;
again: skip;
       d_step { seen = permits; seen_S = S }
       if
       :: seen != 0 ->
          d_step {
            if
            :: permits == seen && S == seen_S -> permits--; S = S | slept; done = 1
            :: else -> done = 0
            fi
          }
          if :: done -> goto taken :: else -> goto again fi
       :: else
       fi;
       if
       :: d_step {  // the time is up
            if
            :: permits == 0 && S == seen_S -> S = S | slept; done = 1
            :: else -> done = 0
            fi
          }
          if :: done -> armed[me] = 0; goto next :: else -> goto again fi
       :: skip
       fi;
       if
       :: !seen_S ->
          d_step {
            if :: permits == 0 && !S -> S = 1; done = 1 :: else -> done = 0 fi
          }
          if :: !done -> goto again :: else fi
       :: else
       fi;
       armed[me] = 1;
       slept = 1;
       d_step { if :: permits == 0 && S -> asleep[me] = 1 :: else fi }
end:   !asleep[me];
       goto again;

taken: armed[me] = 0;
       slept = 0;
out:   skip;
       d_step { seen = permits; seen_S = S }
       assert(seen < PERMITS);
       if :: seen_S -> armed[me] = 1 :: else fi;
       d_step {
         if
         :: permits == seen && S == seen_S -> permits++; done = 1
         :: else -> done = 0
         fi
       }
       if :: !done -> armed[me] = 0; goto out :: else fi;
       if
       :: seen_S ->
          wake_one();
          if
          :: !done -> d_step { if :: permits == seen + 1 && S -> S = 0 :: else fi }
          :: else
          fi;
          armed[me] = 0
       :: else
       fi;
next:  skip;
       d_step { seen = 0; seen_S = 0; done = 0; slept = 0 }
    od
  } unless {
    killed[me] ->
      d_step { asleep[me] = 0; seen = 0; seen_S = 0; done = 0; slept = 0; rounds = 0 }
      if :: armed[me] -> wake_all() :: else fi
  }
}

init {
  byte i, kills;
  atomic {
    for (i : 0 .. PROCESSES - 1) { run Process(i) }
  }
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
  od;
  timeout;
  assert(permits == 0 || (!asleep[0] && !asleep[1]));
#if PROCESSES > 2
  assert(permits == 0 || !asleep[2]);
#endif
}
