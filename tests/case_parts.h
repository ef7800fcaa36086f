/* SPDX-License-Identifier: Apache-2.0 */
/* case_parts.h - what state_cases.c and tensor_cases.c are written with. */
#ifndef PAWL_TESTS_CASE_PARTS_H
#define PAWL_TESTS_CASE_PARTS_H

#include "state_cases.h"

/* A list or tuple of these values. */
struct pawl_value *case_list(struct pawl_state *s, size_t count,
                             struct pawl_value **items);
struct pawl_value *case_tuple(struct pawl_state *s, size_t count,
                              struct pawl_value **items);
#define LIST(s, ...)                                                           \
    case_list(s,                                                               \
              sizeof((struct pawl_value *[]){__VA_ARGS__}) /                   \
                  sizeof(struct pawl_value *),                                 \
              (struct pawl_value *[]){__VA_ARGS__})
#define TUPLE(s, ...)                                                          \
    case_tuple(s,                                                              \
               sizeof((struct pawl_value *[]){__VA_ARGS__}) /                  \
                   sizeof(struct pawl_value *),                                \
               (struct pawl_value *[]){__VA_ARGS__})

#define CASE(name)                                                             \
    {                                                                          \
#name, name                                                            \
    }

extern const struct state_case tensor_cases[];
extern const size_t tensor_case_count;

#endif
