/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrap.h - deleting a checkpoint, and nothing else
 *
 * Pawl deletes only what a Pawl manifest names (invariant 6).  But people put
 * files of their own into a checkpoint's directory, and the directory must
 * vanish in one step, or a reader would find half a checkpoint.  So:
 *
 *   1 the directory was renamed into `.pawl/` before: it is invisible
 *   2 the files that its manifest names are removed, or kept to be written
 *     over (spare.h)
 *   3 what is left is not Pawl's: it moves back to where it was, below <tag>/,
 *     which is made again for it if need be; where a file of that name is by
 *     now, it stays, and the directory is kept as `.pawl/<tag>.<number>.kept`
 *   4 the manifest is removed, and the directories that became empty
 *
 * Each step can be repeated after a crash, and the manifest goes last: what it
 * names and what moved back is durable before it goes.
 */
#ifndef PAWL_ENGINE_SCRAP_H
#define PAWL_ENGINE_SCRAP_H

#include "base/log.h"
#include "engine/layout.h"
#include "store/store.h"

/* Does steps 2 to 4 with `dir`, which lies in the work directory and was a
 * checkpoint of the layout's tag.  The caller has taken the tag and, if
 * `durable`, synced the names that moved it there.  0 also when `dir` is not
 * there.  PAWL_EFORMAT, PAWL_ECORRUPT: its manifest cannot be
 * read, so nothing was touched. */
int pawl_scrap(struct pawl_store *store, const struct pawl_layout *layout,
               const char *dir, bool durable, struct pawl_log *log,
               struct pawl_error *err);

#endif
