/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit.pml - the commit of N ranks, for spin
 *
 * Read docs/model.md first.  JOBS jobs of N ranks each make checkpoint B in one
 * directory.  There is an older checkpoint already: A, which retention drops
 * after the commit, or another B, which the new one replaces; both are tried.
 * Any rank may be killed (KILLS times), any call may fail (FAULTS times), the
 * power may be cut (CUTS times), at any step.  Afterwards a process starts
 * that recovers, and looks whether everything is as it was promised.
 *
 * One step, `atomic`, is one call that changes or syncs the disk, or one
 * exchange; each names the function of the C code that makes it.
 */
#ifndef N
#define N 3 /* ranks of a job */
#endif
#ifndef JOBS
#define JOBS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef CUTS
#define CUTS 1
#endif

#define ALL ((1 << N) - 1)
#define RANK(j, r) ((j) * N + (r))

/* Tags, and the directories that are or become checkpoints. */
#define TAG_A 0
#define TAG_B 1
#define NONE 0
#define OLD_A 1
#define OLD_B 2
#define NEW(j) (3 + (j))
#define DIRS (3 + JOBS)

/* Where a directory is. */
#define GONE 0
#define STAGED 1 /* in .pawl/: .part, or .dead for what retention drops */
#define AT_TAG 2

/* What a rank gives in an exchange; and what commit returns. */
#define NOTHING 0
#define GOOD 1
#define BAD 2
#define UNKNOWN 3

/* ---- the disk ------------------------------------------------------------ */

byte at[2];           /* the directory that a tag names now */
byte maybe[2];        /* those that it may name after a power cut, as bits */
bit root_behind[2];   /* that name changed since save_dir was synced */
bit work_behind[2];   /* ... since .pawl/ was */
byte latest = TAG_A;  /* the tag in `latest` */
byte latest_maybe;

byte where[DIRS];
byte files[DIRS];     /* ranks whose file is there */
byte durable[DIRS];   /* ... and its bytes on the disk */
byte names[DIRS];     /* ... and its name */
bit manifest[DIRS];
bit manifest_durable[DIRS];
bit manifest_name[DIRS]; /* durable too */
bit spoiled[DIRS];    /* a file was removed, or written by someone else */
byte sequence[DIRS];

byte owner[2];        /* who has the tag: job + 1; 0: nobody */

/* ---- the processes ------------------------------------------------------- */

bit dead[JOBS * N];
byte running = JOBS * N;
byte kills = KILLS;
byte faults = FAULTS;
byte cuts = CUTS;
bit is_cut;           /* the power was, and nobody has started since */

byte created[JOBS];               /* exchange "create": what rank 0 gave */
byte given[JOBS * N];             /* exchange "files" */
byte done[JOBS];                  /* exchange "done": what rank 0 gave */

/* What was promised. */
bit committed[DIRS];  /* some rank's commit returned 0 */
bit failed[DIRS];     /* some rank's commit returned that it failed */

/* ---- calls --------------------------------------------------------------- */

/* One step, unless an earlier one failed. */
#define THEN(what) atomic { if :: ok -> what :: else fi }

/* Whether a call works. */
inline call(ok)
{
    if
    :: ok = 1
    :: faults > 0 -> faults--; ok = 0
    fi
}

inline settle(t)
{
    if
    :: !root_behind[t] && !work_behind[t] -> maybe[t] = 1 << at[t]
    :: else
    fi
}

/* pawl_store_sync of save_dir. */
inline sync_root(ok)
{
    call(ok);
    if
    :: ok ->
        root_behind[TAG_A] = 0; root_behind[TAG_B] = 0;
        latest_maybe = 1 << latest;
        settle(TAG_A); settle(TAG_B)
    :: else
    fi
}

/* pawl_store_sync of .pawl/. */
inline sync_work(ok)
{
    call(ok);
    if
    :: ok ->
        work_behind[TAG_A] = 0; work_behind[TAG_B] = 0;
        settle(TAG_A); settle(TAG_B)
    :: else
    fi
}

/* A rename between .pawl/ and save_dir: `d` takes the tag's name, and what had
 * it goes where `d` was.  On the disk it is there once both are synced. */
inline rename(t, d)
{
    if
    :: at[t] != NONE -> where[at[t]] = STAGED
    :: else
    fi;
    if
    :: (d) != NONE -> where[d] = AT_TAG
    :: else
    fi;
    at[t] = d;
    maybe[t] = maybe[t] | (1 << (d));
    root_behind[t] = 1; work_behind[t] = 1
}

/* ---- what must be true, always ------------------------------------------- */

inline check_tag(t)
{
    /* A visible manifest: the files of all ranks are there. */
    assert(at[t] == NONE || !manifest[at[t]] ||
           (files[at[t]] == ALL && !spoiled[at[t]]));
    /* A commit that failed left nothing. */
    assert(at[t] == NONE || !failed[at[t]]);
    /* `latest` names what was committed. */
    assert(latest != t || (at[t] != NONE && manifest[at[t]]))
}

#define IS_NEWER(t, d) \
    (at[t] != NONE && manifest[at[t]] && sequence[at[t]] >= sequence[d])

inline check()
{
    check_tag(TAG_A);
    check_tag(TAG_B);
    /* What was committed is there, or a newer one is. */
    i = 1;
    do
    :: i < DIRS ->
        assert(!committed[i] || IS_NEWER(TAG_A, i) || IS_NEWER(TAG_B, i));
        i++
    :: else -> break
    od;
    i = 0
}

/* ---- owners (owner.pml has the steps of pawl_owner_take) ----------------- */

#define HOLDER_IS_DEAD(t) (owner[t] <= JOBS && dead[(owner[t] - 1) * N])

inline pawl_owner_take(t, me, ok)
{
    if
    :: owner[t] == 0 -> ok = 1
    :: owner[t] != 0 && HOLDER_IS_DEAD(t) -> ok = 1
#ifdef MUTANT_LOCK_BY_AGE
    :: owner[t] != 0 -> ok = 1
#endif
    :: owner[t] != 0 && !HOLDER_IS_DEAD(t) -> ok = 0
    fi;
    if
    :: ok ->
        assert(owner[t] == 0 || HOLDER_IS_DEAD(t)); /* never two at once */
        owner[t] = me
    :: else
    fi
}

inline pawl_owner_drop(t, me)
{
    assert(owner[t] == me);
    owner[t] = 0
}

/* ---- recovery ------------------------------------------------------------ */

/* The next directory of tag B that lies in .pawl/. */
inline next_staged()
{
    do
    :: d < DIRS && where[d] != STAGED -> d++
    :: else -> break
    od
}

inline remove(d)
{
    spoiled[d] = 1;
    where[d] = GONE;
    check()
}

/* What lies in .pawl/ of tag B is removed: the checkpoint that was replaced,
 * and what was never committed.  First both directories are synced: else a
 * power cut could bring back the name that it had, without the files. */
inline pawl_recover_tag(ok)
{
    atomic {
        ok = 1;
        d = OLD_B;
        next_staged();
#ifndef MUTANT_RECOVER_NO_SYNC
        if
        :: d < DIRS -> sync_root(ok)
        :: else
        fi
    };
    atomic {
        if
        :: ok && d < DIRS -> sync_work(ok)
        :: else
        fi
#endif
    };
    do
    :: atomic { ok && d < DIRS -> remove(d); next_staged() }
    :: atomic { !(ok && d < DIRS) -> d = 0; break }
    od
}

/* ---- a rank that is not rank 0 ------------------------------------------- */

/* Where a path below the staging directory leads to.  The directory's name
 * holds the number of its owner record: a rank whose job is over finds
 * nothing. */
inline find_staging(j)
{
#ifdef MUTANT_SHARED_STAGING
    d = OLD_B;
    do
    :: d < DIRS && where[d] != STAGED -> d++
    :: d < DIRS && where[d] == STAGED -> break
    :: d == DIRS -> d = NONE; break
    od
#else
    d = (where[NEW(j)] == STAGED -> NEW(j) : NONE)
#endif
}

/* pawl_engine_save, and making it durable. */
inline open_and_write(j, r)
{
    find_staging(j);
    call(ok);
    if
    :: d == NONE -> ok = 0
    :: d != NONE && ok ->
        files[d] = files[d] | (1 << r);
        if
        :: d != NEW(j) -> spoiled[d] = 1
        :: else
        fi
    :: else
    fi
}

inline sync_file(j, r)
{
    call(ok);
    if
    :: ok && d == NEW(j) -> durable[d] = durable[d] | (1 << r)
    :: else
    fi;
    d = 0
}

#ifdef MUTANT_NO_SYNC
#define write_files(j, r) THEN(open_and_write(j, r))
#else
#define write_files(j, r) THEN(open_and_write(j, r)); THEN(sync_file(j, r))
#endif

/* All but rank 0 are in `given`; some gave BAD. */
#if N == 2
#define ALL_GAVE(j) (given[RANK(j, 1)] != NOTHING)
#define ONE_IS_BAD(j) \
    (given[RANK(j, 0)] == BAD || given[RANK(j, 1)] == BAD)
#else
#define ALL_GAVE(j) \
    (given[RANK(j, 1)] != NOTHING && given[RANK(j, 2)] != NOTHING)
#define ONE_IS_BAD(j) \
    (given[RANK(j, 0)] == BAD || given[RANK(j, 1)] == BAD || \
     given[RANK(j, 2)] == BAD)
#endif

/* A message that is lost, one that comes late and a rank that died all look
 * the same to who waits: he gives up, at any time that he likes. */
#ifdef MUTANT_NO_TIMEOUT
#define TIMEOUT false
#else
#define TIMEOUT true
#endif

proctype rank(byte j; byte r)
{
    byte d, ok, i;
    {
        /* exchange "create" */
        if
        :: atomic { created[j] == GOOD -> ok = 1 }
        :: created[j] == BAD
        :: TIMEOUT
        fi;
        write_files(j, r);
        /* exchange "files": its own part, then what the others gave */
        atomic {
            given[RANK(j, r)] = (ok -> GOOD : BAD);
            if
            :: ok
            :: else -> failed[NEW(j)] = 1; goto over
            fi
        };
        if
        :: atomic { ONE_IS_BAD(j) -> failed[NEW(j)] = 1 }
        /* exchange "done" */
        :: atomic { done[j] == GOOD -> committed[NEW(j)] = 1 }
        :: atomic { done[j] == BAD -> failed[NEW(j)] = 1 }
        :: atomic {
            /* Rank 0 may have committed all the same: what this returns must
             * not say that it failed, but that it is not known. */
            TIMEOUT ->
#ifdef MUTANT_TIMEOUT_IS_FAILURE
            failed[NEW(j)] = 1
#endif
        }
        fi;
over:   atomic { check(); running-- }
    } unless { atomic { dead[RANK(j, r)] -> d = 0; ok = 0; i = 0; running-- } }
}

/* ---- rank 0 -------------------------------------------------------------- */

inline make_staging(j)
{
    call(ok);
    where[NEW(j)] = (ok -> STAGED : GONE)
}

/* Also sync_staged: the names of the files, and of the manifest. */
inline sync_part(j)
{
    call(ok);
    if
    :: ok ->
        names[NEW(j)] = files[NEW(j)];
        manifest_name[NEW(j)] = manifest[NEW(j)]
    :: else
    fi
}

/* pawl_manifest_write; cut short, it is there all the same. */
inline manifest_put(j)
{
    call(ok);
    manifest[NEW(j)] = 1
}

inline manifest_sync(j)
{
    call(ok);
    manifest_durable[NEW(j)] = ok
}

/* A rename, or an exchange with what is there. */
inline pawl_publish_run(j)
{
    call(ok);
    if
    :: ok ->
        replaced = at[TAG_B];
        rename(TAG_B, NEW(j));
        check()
    :: else
    fi
}

/* Then remove_staged, which syncs before it removes anything. */
inline pawl_publish_undo(j)
{
    call(ok);
    if
    :: ok && at[TAG_B] == NEW(j) -> rename(TAG_B, replaced); check()
    :: else
    fi
}

inline move_latest()
{
    call(ok);
    if
    :: ok ->
        latest = TAG_B;
        latest_maybe = latest_maybe | (1 << TAG_B);
        check()
    :: else
    fi
}

inline hide()
{
    call(ok);
    if
    :: ok && at[TAG_A] == OLD_A -> rename(TAG_A, NONE); check()
    :: else -> ok = 0 /* another job did it */
    fi
}

/* Of A, unless `latest` still names it. */
inline pawl_retain(j)
{
    atomic {
        ok = ok && latest != TAG_A && at[TAG_A] == OLD_A;
        if
        :: ok -> pawl_owner_take(TAG_A, j + 1, ok)
        :: else
        fi;
        mine = ok
    };
    THEN(hide());
#ifndef MUTANT_RETAIN_NO_SYNC
    THEN(sync_root(ok));
    THEN(sync_work(ok));
#endif
    THEN(remove(OLD_A));
    atomic {
        if
        :: mine -> pawl_owner_drop(TAG_A, j + 1)
        :: else
        fi
    }
}

proctype rank_zero(byte j)
{
    byte d, ok, i, replaced;
    bit mine;
    {
        /* pawl_commit_begin */
        atomic {
            pawl_owner_take(TAG_B, j + 1, ok);
            if
            :: ok
            :: else -> created[j] = BAD; failed[NEW(j)] = 1; goto over
            fi
        };
        pawl_recover_tag(ok);
        THEN(make_staging(j));
        THEN(sync_root(ok));
        created[j] = (ok -> GOOD : BAD);
        write_files(j, 0);
        atomic {
            given[RANK(j, 0)] = (ok -> GOOD : BAD);
            if
            :: ok
            :: else -> goto undo
            fi
        };

        /* exchange "files" */
        if
        :: ALL_GAVE(j)
        :: atomic { TIMEOUT -> goto undo }
        fi;
        atomic {
#ifndef MUTANT_IGNORE_STATUS
            if
            :: ONE_IS_BAD(j) -> goto undo
            :: else
            fi;
#endif
            sequence[NEW(j)] = 2 + j + sequence[at[TAG_B]] /* next_sequence */
        };

        /* pawl_commit_publish */
        THEN(sync_part(j)); /* sync_staged */
#ifdef MUTANT_RENAME_FIRST
        THEN(pawl_publish_run(j));
#endif
        THEN(manifest_put(j));
#ifndef MUTANT_MANIFEST_NO_SYNC
        THEN(manifest_sync(j));
#endif
        THEN(sync_part(j));
        THEN(sync_work(ok));
#ifdef MUTANT_LATEST_EARLY
        THEN(move_latest());
#endif
#ifndef MUTANT_RENAME_FIRST
        THEN(pawl_publish_run(j));
#endif
#ifndef MUTANT_NO_DIR_SYNC
        THEN(sync_root(ok));
#endif
        THEN(sync_work(ok));
        atomic {
            if
            :: ok -> done[j] = GOOD; committed[NEW(j)] = 1
            :: else -> goto undo
            fi
        };

        /* after_commit */
        THEN(move_latest());
        THEN(sync_root(ok));
        mine = ok;
        pawl_recover_tag(ok);
        atomic { pawl_owner_drop(TAG_B, j + 1); ok = mine };
        pawl_retain(j);
        goto over;

undo:   ok = 1; /* go_back, or pawl_commit_abort */
        THEN(pawl_publish_undo(j));
        if
        :: ok -> pawl_recover_tag(ok)
        :: else
        fi;
        atomic {
            pawl_owner_drop(TAG_B, j + 1);
            /* If going back failed it may be there after all, and nobody is
             * told that it is not. */
            if
            :: ok -> done[j] = BAD; failed[NEW(j)] = 1
            :: else
            fi
        };
over:   atomic { check(); running-- }
    } unless {
        atomic {
            dead[RANK(j, 0)] ->
            d = 0; ok = 0; i = 0; replaced = 0; mine = 0; running--
        }
    }
}

/* ---- what goes wrong ----------------------------------------------------- */

proctype killer()
{
    byte k;
end:
    do
    :: atomic {
        kills > 0 && running > 0 ->
        kills--;
        k = 0;
        do
        :: k < JOBS * N - 1 -> k++
        :: break
        od;
        dead[k] = 1;
        k = 0
    }
    od
}

/* A tag names one of the directories that it may; those that it does not are
 * where they came from. */
inline cut_tag(t, first, last)
{
    d = 0;
    do
    :: d < DIRS && !(maybe[t] & (1 << d)) -> d++
    :: d < DIRS && (maybe[t] & (1 << d)) -> break
    :: d < DIRS && (maybe[t] >> (d + 1)) != 0 -> d++
    od;
    at[t] = d;
    i = first;
    do
    :: i <= last && i == d -> where[i] = AT_TAG; i++
    :: i <= last && i != d ->
        where[i] = (where[i] == AT_TAG -> STAGED : where[i]); i++
    :: else -> break
    od;
    maybe[t] = 1 << d;
    root_behind[t] = 0; work_behind[t] = 0
}

/* What was not synced is lost; a name may be there or not. */
inline cut_dir(d)
{
    files[d] = durable[d] & names[d];
    if
    :: manifest[d] && !manifest_name[d] -> manifest[d] = 0
    :: manifest[d] -> manifest[d] = manifest_durable[d]
    :: !manifest[d]
    fi
}

proctype power()
{
    byte d, i;
end:
    do
    :: atomic {
        cuts > 0 && !is_cut ->
        cuts--;
        i = 0;
        do
        :: i < JOBS * N -> dead[i] = 1; i++
        :: else -> break
        od;
        cut_tag(TAG_A, OLD_A, OLD_A);
        cut_tag(TAG_B, OLD_B, DIRS - 1);
        d = 1;
        do
        :: d < DIRS -> cut_dir(d); d++
        :: else -> break
        od;
        if
        :: latest_maybe & (1 << TAG_A) -> latest = TAG_A
        :: latest_maybe & (1 << TAG_B) -> latest = TAG_B
        fi;
        latest_maybe = 1 << latest;
        d = 0; i = 0;
        is_cut = 1
    }
    od
}

/* The next start: nobody of before is left, and there may be one more cut.
 * pawl_recover, for both tags. */
#define RESTARTED (JOBS + 1)

/* Nobody who lives keeps a tag. */
inline take_over(t)
{
    assert(owner[t] == 0 || owner[t] == RESTARTED || HOLDER_IS_DEAD(t));
    owner[t] = RESTARTED
}

inline check_is_clean()
{
    i = 1;
    do
    :: i < DIRS -> assert(where[i] != STAGED); i++
    :: else -> break
    od;
    i = 0
}

proctype restarted()
{
    byte d, ok, i;
again:
    atomic { running == 0 -> is_cut = 0 };
    {
        /* What a reader finds that cannot recover. */
        atomic { check(); take_over(TAG_B) };
        pawl_recover_tag(ok);
        atomic { owner[TAG_B] = 0; take_over(TAG_A) };
        if
        :: where[OLD_A] == STAGED ->
#ifndef MUTANT_RECOVER_NO_SYNC
            THEN(sync_root(ok));
            THEN(sync_work(ok));
#endif
            THEN(remove(OLD_A))
        :: else
        fi;
        atomic {
            owner[TAG_A] = 0;
            check();
            if
            :: ok -> check_is_clean()
            :: else
            fi;
            ok = 0
        }
    } unless { is_cut };
    /* Started again, if the power is cut, now or later. */
end:
    is_cut -> goto again
}

/* ---- the beginning ------------------------------------------------------- */

inline put(t, d)
{
    at[t] = d;
    where[d] = AT_TAG;
    files[d] = ALL; durable[d] = ALL; names[d] = ALL;
    manifest[d] = 1; manifest_durable[d] = 1; manifest_name[d] = 1;
    sequence[d] = 1;
    committed[d] = 1;
    latest = t
}

init {
    byte j, r;
    atomic {
        if
        :: put(TAG_A, OLD_A)
        :: put(TAG_B, OLD_B)
        fi;
        maybe[TAG_A] = 1 << at[TAG_A];
        maybe[TAG_B] = 1 << at[TAG_B];
        latest_maybe = 1 << latest;
        do
        :: j < JOBS ->
            run rank_zero(j);
            r = 1;
            do
            :: r < N -> run rank(j, r); r++
            :: else -> break
            od;
            j++
        :: else -> break
        od;
        run killer();
        run power();
        run restarted()
    }
}
