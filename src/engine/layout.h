/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - the names that Pawl uses in a save_dir
 *
 *     <tag>/               a committed checkpoint
 *     <tag>/pawl.json      its manifest
 *     latest               the last committed tag
 *     .pawl/               Pawl's own; whatever is below may be deleted when
 *                          its owner is dead:
 *       <tag>.owner        who works on <tag>: every change of <tag> and of the
 *                          names below is made by the process named there
 *       <tag>.part/        the checkpoint in the making; after an exchange, the
 *                          old one that it replaced
 *       <tag>.<hex>.ranks/ the same, where several ranks make it: with the
 *                          number of the owner record, so that a rank of a dead
 *                          job cannot write into what the next job makes
 *       <tag>.merge/       what of it was not yet moved into a caller's <tag>/
 *       <tag>.old/         the old one, moved aside where the file system
 *                          cannot exchange
 *       <tag>.aside/       files of a caller's <tag>/ that a merge replaces
 *       <tag>.dead/        a checkpoint that is being deleted
 *       <tag>.latest       the text of `latest`, before its rename
 *       <tag>.file         a single file being saved, before its rename
 *       spare/             files to be written over: spare.h
 *       <tag>.<hex>.claim  an owner record that wants to become <tag>.owner
 *       <tag>.<hex>.next   one that is about to replace the dead one's
 *
 * A tag over 200 bytes is cut there and gets a hash, since a file name holds
 * 255 bytes; the owner record has the whole.
 */
#ifndef PAWL_ENGINE_LAYOUT_H
#define PAWL_ENGINE_LAYOUT_H

#include <pawl/engine.h>

#define PAWL_WORK_DIR ".pawl"
#define PAWL_LATEST_NAME "latest"
#define PAWL_WORK_NAME_MAX 288

/* Relative to the save_dir. */
struct pawl_layout {
    char tag[PAWL_TAG_MAX + 1];
    char stem[PAWL_TAG_MAX + 1]; /* the tag, or what stands for a long one */
    char owner[PAWL_WORK_NAME_MAX];
    char part[PAWL_WORK_NAME_MAX];
    char merge[PAWL_WORK_NAME_MAX];
    char old[PAWL_WORK_NAME_MAX];
    char aside[PAWL_WORK_NAME_MAX];
    char dead[PAWL_WORK_NAME_MAX];
    char latest[PAWL_WORK_NAME_MAX];
    char file[PAWL_WORK_NAME_MAX];
};

/* `tag` has at most PAWL_TAG_MAX bytes.  Cannot fail. */
void pawl_layout_init(struct pawl_layout *layout, const char *tag);

/* Makes the staging directory that of ranks, with the number of owner record
 * `id`. */
void pawl_layout_number(struct pawl_layout *layout, uint64_t id);

/* Where the successor of owner record `id` of that tag makes himself known. */
void pawl_layout_next(char out[PAWL_WORK_NAME_MAX],
                      const struct pawl_layout *layout, uint64_t id);
/* The claim with that number. */
void pawl_layout_claim(char out[PAWL_WORK_NAME_MAX],
                       const struct pawl_layout *layout, uint64_t id);

/* The stem in the name of an entry of the work directory, cut out in place;
 * false if the entry is not one of Pawl's.  Claims do not count. */
bool pawl_layout_stem(char *entry);

/* Whether an entry of the work directory is a successor's, of that tag. */
bool pawl_layout_is_next(const struct pawl_layout *layout, const char *entry);

/* Whether an entry is a numbered staging directory of that tag. */
bool pawl_layout_is_numbered(const struct pawl_layout *layout,
                             const char *entry);

/* Whether an entry of the work directory is a claim. */
bool pawl_layout_is_claim(const char *entry);

#endif
