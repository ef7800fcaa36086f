/* SPDX-License-Identifier: Apache-2.0 */
/* manifest_file.c - see manifest_file.h. */
#include "engine/manifest_file.h"

#include "base/path.h"
#include "engine/object.h"

#include <stdlib.h>
#include <string.h>

int pawl_manifest_name(char **out, const char *dir, struct pawl_error *err)
{
    if (dir[0] == '\0') {
        *out = strdup(PAWL_MANIFEST_NAME);
        return *out == NULL ? pawl_fail_nomem(err) : 0;
    }
    return pawl_path_join(out, dir, PAWL_MANIFEST_NAME, err);
}

int pawl_manifest_read(struct pawl_manifest *out, struct pawl_store *store,
                       const char *dir, struct pawl_error *err)
{
    char *name = NULL;
    struct pawl_buffer text = {0};
    int rc = pawl_manifest_name(&name, dir, err);
    if (rc == 0) {
        rc = pawl_object_get(store, name, PAWL_MANIFEST_MAX_BYTES, &text, err);
    }
    if (rc == 0) {
        rc = pawl_manifest_parse(out, text.data, text.len, err);
        if (rc < 0) {
            pawl_error_prefix(err, "'%s'", name);
        }
    }
    pawl_buffer_fini(&text);
    free(name);
    return rc;
}

int pawl_manifest_write(const struct pawl_manifest *manifest,
                        struct pawl_store *store, const char *dir, bool durable,
                        struct pawl_error *err)
{
    char *name = NULL;
    struct pawl_buffer text = {0};
    int rc = pawl_manifest_encode(manifest, &text, err);
    if (rc == 0) {
        rc = pawl_manifest_name(&name, dir, err);
    }
    if (rc == 0) {
        rc = pawl_object_put(store, name, text.data, text.len, durable, err);
    }
    pawl_buffer_fini(&text);
    free(name);
    return rc;
}
