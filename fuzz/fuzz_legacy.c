/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_legacy.c - any bytes as a torch file from before 1.6. */
#include "format/format_torch_legacy.h"

#include "fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct fuzz_source fuzz;
    struct pawl_state *state = NULL;
    struct pawl_error err;
    pawl_format_torch_legacy.probe(data, len < 64 ? len : 64);
    fuzz_source_init(&fuzz, data, len);
    if (pawl_format_torch_legacy.read(&state, &fuzz.source, NULL, &err) < 0) {
        return 0;
    }
    pawl_state_read_all(state, &err);
    pawl_state_free(state);
    return 0;
}
