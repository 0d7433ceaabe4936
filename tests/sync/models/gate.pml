// SPDX-License-Identifier: Apache-2.0
// The gate (lib/memory/gate.hpp) and the tree's gate behind it: WAITERS each wait for an item, WAKERS
// each add one and wake a waiter; KILLS of all are killed at any step. Who waits has a pending
// wake-up armed from its first sleep on, a waker from before it adds until it has woken. The kernel
// wakes one sleeper at the tree's gate for an armed death, and that one wakes the others. Sleeps
// have no slices here.
//
// Checked: where nothing moves any more nobody sleeps while there is an item. There is one exception,
// which costs a slice: a waker dies after its commit and before it changes the gate's word, and at
// that moment nobody sleeps; one who had looked before the commit then falls asleep (`untold`).

#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef WAKERS
#define WAKERS 2
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define ALL (WAITERS + WAKERS)

byte items;
byte sequence;  // the gate's word
bit F;
byte deaths;  // modulo 8, or the search would never end

bit asleep[WAITERS];
bit untold;
bit by_tree[WAITERS];  // woken at the tree's gate
bit armed[ALL];
bit killed[ALL];

inline wake_one() {
  if
  :: d_step { asleep[0] -> asleep[0] = 0; done = 1 }
  :: d_step { asleep[1] -> asleep[1] = 0; done = 1 }
#if WAITERS > 2
  :: d_step { asleep[2] -> asleep[2] = 0; done = 1 }
#endif
  :: d_step {
#if WAITERS > 2
       !asleep[2] &&
#endif
       !asleep[0] && !asleep[1] -> done = 0 }
  fi
}
inline wake_all() {
  d_step {
    asleep[0] = 0; asleep[1] = 0;
#if WAITERS > 2
    asleep[2] = 0;
#endif
  }
}
inline wake_all_by_tree() {
  d_step {
    if :: asleep[0] -> asleep[0] = 0; by_tree[0] = 1 :: else fi;
    if :: asleep[1] -> asleep[1] = 0; by_tree[1] = 1 :: else fi;
#if WAITERS > 2
    if :: asleep[2] -> asleep[2] = 0; by_tree[2] = 1 :: else fi;
#endif
  }
}
// What the kernel does at an armed death.
inline wake_one_by_tree() {
  if
  :: d_step { asleep[0] -> asleep[0] = 0; by_tree[0] = 1 }
  :: d_step { asleep[1] -> asleep[1] = 0; by_tree[1] = 1 }
#if WAITERS > 2
  :: d_step { asleep[2] -> asleep[2] = 0; by_tree[2] = 1 }
#endif
  :: d_step {
#if WAITERS > 2
       !asleep[2] &&
#endif
       !asleep[0] && !asleep[1] -> untold = 1 }
  fi
}

proctype Waiter(byte me) {
  byte key, seen_deaths;
  {
    skip;
again: skip;
       d_step { F = 1; key = sequence }
       if
       :: d_step { items > 0 -> items-- } goto done_waiting
       :: items == 0
       fi;
       armed[me] = 1;
       seen_deaths = deaths;
       d_step { if :: F && sequence == key -> asleep[me] = 1; by_tree[me] = 0 :: else fi }
end:   if
       :: !asleep[me]
       :: untold && items > 0 && timeout -> asleep[me] = 0
       fi;
       if
       :: by_tree[me] ->
          if
          :: deaths == seen_deaths ->
             wake_all_by_tree();
             d_step { if :: deaths == seen_deaths -> deaths = (deaths + 1) % 8 :: else fi }
          :: else
          fi;
          by_tree[me] = 0
       :: else
       fi;
       goto again;
done_waiting:
       armed[me] = 0
  } unless {
    killed[me] ->
      d_step { asleep[me] = 0; key = 0; seen_deaths = 0 }
      if :: armed[me] -> wake_one_by_tree() :: else fi
  }
}

proctype Waker(byte me) {
  byte seen;
  bit done, lowered;
  {
    armed[me] = 1;
    items++;
    if
    :: !F -> skip
    :: F ->
       d_step { sequence++; seen = sequence }
       wake_one();
       if
       :: !done ->
          d_step {
            lowered = 0;
            if :: F && sequence == seen -> F = 0; sequence++; lowered = 1 :: else fi
          }
          if :: lowered -> wake_all() :: else fi
       :: else
       fi
    fi;
    armed[me] = 0
  } unless {
    killed[me] ->
      if :: armed[me] -> wake_one_by_tree() :: else fi
  }
}

init {
  byte i, kills;
  atomic {
    for (i : 0 .. WAITERS - 1) { run Waiter(i) }
    for (i : WAITERS .. ALL - 1) { run Waker(i) }
  }
  do
  :: kills < KILLS -> kills++;
     if
     :: killed[0] = 1
     :: killed[1] = 1
     :: killed[2] = 1
     :: killed[3] = 1
     fi
  :: break
  od;
  timeout;
  assert(items == 0 || untold || (!asleep[0] && !asleep[1]));
#if WAITERS > 2
  assert(items == 0 || untold || !asleep[2]);
#endif
}
