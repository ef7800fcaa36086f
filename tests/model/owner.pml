/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owner.pml - taking a tag (src/engine/owner.c), for spin
 *
 * Read docs/model.md first.  P processes take the tag, hold it, give it back.
 * DEATHS of them may die at any step.  The tag is free at first, or has the
 * record of a dead one.  Another process sweeps claims away, as recovery does.
 * commit.pml takes all this as one step, which is what is shown here: never
 * two at once, and nobody waits for ever.
 */
#ifndef P
#define P 3
#endif
#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif

/* Record 0 is none, P + 1 that of one who died before; the others are named by
 * their process.  Two names are made of a record's number: its claim, and the
 * one that its successor takes. */
#define RECORDS (P + 2)
#define EARLIER (P + 1)

byte owner;             /* the record at <tag>.owner */
byte next[RECORDS];     /* ... at <tag>.<id>.next */
byte claim[RECORDS];    /* ... at <tag>.<id>.claim */
bit written[RECORDS];   /* the claim has its text */
bit dead[RECORDS];
bit holds[RECORDS];
byte deaths = DEATHS;

/* judge: what cannot be read was cut short, so who wrote it is dead. */
#ifdef MUTANT_LOCK_BY_AGE
#define IS_DEAD(id) ((id) != 0)
#else
#define IS_DEAD(id) ((id) != 0 && dead[id])
#endif

/* The name at place `i` of the ladder; 0 is <tag>.owner.  `ids[i]` is the dead
 * record that was seen there. */
inline name_get(i, out)
{
    if
    :: i == 0 -> out = owner
    :: else -> out = next[ids[i - 1]]
    fi
}

inline name_put(i, id)
{
    if
    :: i == 0 -> owner = id
    :: else -> next[ids[i - 1]] = id
    fi
}

/* PAWL_RENAME_NEW of our claim: 1 done, 0 look again. */
inline rename_claim(i, went)
{
    name_get(i, seen);
    if
    :: claim[me] == 0 -> went = 0     /* swept away */
    :: claim[me] != 0 && seen != 0 -> went = 2 /* PAWL_EEXIST */
    :: claim[me] != 0 && seen == 0 ->
        name_put(i, me);
        claim[me] = 0;
        went = 1
    fi
}

/* To the first free name, which is then ours. */
inline climb()
{
    do
    :: atomic {
        rename_claim(count, went);
        if
        :: went != 2 -> break
        :: else
        fi
    };
    atomic { /* look_at */
        name_get(count, seen);
        if
        :: IS_DEAD(seen) -> ids[count] = seen; count++
        :: else -> went = 0; break /* he lives: he will have the tag */
        fi
    }
    od
}

/* Down again, in place of the dead one on each step. */
inline descend()
{
    atomic { held = (went == 1 -> count : RECORDS); seen = 0 };
    do
    :: went == 1 && count > 0 ->
#ifndef MUTANT_NO_SECOND_LOOK
        atomic { /* look_at */
            name_get(count - 1, seen);
            if
            :: seen == ids[count - 1] && IS_DEAD(seen)
            :: else -> went = 0
            fi
        };
#endif
        atomic { /* PAWL_RENAME_REPLACE */
            name_get(held, seen);
            if
            :: went == 0
            :: went != 0 && seen == 0 -> went = 0 /* PAWL_ENOENT */
            :: went != 0 && seen != 0 ->
                name_put(held, 0);
                count--;
                name_put(count, seen);
                held = count
            fi
        }
    :: else -> break
    od;
    atomic { /* what he held is of no use */
        if
        :: went != 1 && held < RECORDS -> name_put(held, 0)
        :: else
        fi;
        held = 0
    }
}

inline take_once()
{
    atomic { /* look_at */
        count = 0;
        was = owner;
        if
        :: tries == ATTEMPTS -> goto late
        :: was != 0 && !IS_DEAD(was) -> goto late /* PAWL_EBUSY */
        :: else
        fi;
        tries++
    };
    claim[me] = me; /* put_claim */
    atomic { written[me] = 1; ids[0] = was };
    if
    :: atomic { was == 0 -> rename_claim(0, went); went = went & 1 }
#ifdef MUTANT_NO_SUCCESSOR
    :: atomic { was != 0 -> owner = me; claim[me] = 0; went = 1 }
#else
    :: atomic { was != 0 -> count = 1 };
        climb();
        descend()
#endif
    fi
}

inline check_alone()
{
    count = 1;
    do
    :: count <= P ->
        assert(count == me || !holds[count] || dead[count]);
        count++
    :: else -> break
    od;
    count = 0
}

/* What he knew does not matter any more: fewer states. */
inline forget()
{
    was = 0; seen = 0; held = 0; tries = 0; went = 0;
    count = 0;
    do
    :: count < RECORDS -> ids[count] = 0; count++
    :: else -> break
    od;
    count = 0
}

proctype taker(byte me)
{
    byte ids[RECORDS];
    byte count, held, seen, was, tries, went;
    {
        do
        :: went != 1 -> take_once()
        :: atomic { went == 1 -> holds[me] = 1; check_alone(); break }
        od;
        /* pawl_recover_tag: remove_nexts */
        do
        :: atomic {
            count = 1;
            do
            :: count < RECORDS && next[count] == 0 -> count++
            :: else -> break
            od;
            if
            :: count < RECORDS -> next[count] = 0; count = 0
            :: else -> count = 0; break
            fi
        }
        od;
        /* pawl_owner_drop */
        atomic {
            check_alone();
            assert(owner == me);
            holds[me] = 0;
            owner = 0
        };
late:   atomic { claim[me] = 0; forget() }
    } unless { atomic { dead[me] -> forget() } }
}

proctype killer()
{
    byte k;
end:
    do
    :: atomic {
        deaths > 0 ->
        deaths--;
        k = 1;
        do
        :: k < P -> k++
        :: break
        od;
        dead[k] = 1;
        k = 0
    }
    od
}

/* pawl_owner_sweep_claim: a claim that has no text yet counts as a dead one's;
 * what is removed is the name, whatever it is by then.  That it sweeps the
 * claim of process 1 alone is no loss, since all are alike. */
proctype sweeper()
{
end:
    claim[1] != 0 && (dead[1] || !written[1]) -> claim[1] = 0
}

init {
    byte i;
    atomic {
        dead[EARLIER] = 1;
        if
        :: owner = EARLIER
        :: owner = 0
        fi;
        i = 1;
        do
        :: i <= P -> run taker(i); i++
        :: else -> break
        od;
        run killer();
        run sweeper()
    }
}
