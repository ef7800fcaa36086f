/* SPDX-License-Identifier: Apache-2.0 */
/* pickle_scalar.c - see pickle_scalar.h. */
#include "format/pickle_scalar.h"

void pawl_emit_call(struct pawl_pickler *p, size_t arg_count, uint32_t *mark)
{
    pawl_emit_tuple(p, arg_count);
    if (arg_count > 0) {
        pawl_emit_put(p, NULL);
    }
    pawl_emit_op(p, PICKLE_REDUCE);
    pawl_emit_put(p, mark);
}

static int save_str(struct pawl_pickler *p, const struct pawl_value *value)
{
    int rc = pawl_emit_text(p, value->as.text.data, value->as.text.len);
    pawl_emit_put(p, &p->marks[value->id]);
    return rc;
}

/* Bytes as the text whose code points they are. */
static int emit_latin1(struct pawl_pickler *p, const uint8_t *data, size_t len)
{
    size_t utf8_len = len;
    for (size_t i = 0; i < len; i++) {
        utf8_len += data[i] >> 7;
    }
    if (utf8_len > UINT32_MAX) {
        return pawl_fail(p->err, PAWL_ENOTSUP, 0,
                         "%zu bytes are too many for pickle protocol 2", len);
    }
    uint8_t *at = pawl_buffer_extend(&p->buf, 5 + utf8_len);
    if (at == NULL) {
        return pawl_fail_nomem(p->err);
    }
    *at = PICKLE_BINUNICODE;
    put_le32(at + 1, (uint32_t)utf8_len);
    at += 5;
    for (size_t i = 0; i < len; i++) {
        if (data[i] < 0x80) {
            *at++ = data[i];
        } else {
            *at++ = (uint8_t)(0xc0 | data[i] >> 6);
            *at++ = (uint8_t)(0x80 | (data[i] & 0x3f));
        }
    }
    return 0;
}

static int emit_one_char(struct pawl_pickler *p, uint8_t byte)
{
    char text[2] = {(char)byte, 0};
    size_t len = 1;
    if (byte >= 0x80) {
        text[0] = (char)(0xc0 | byte >> 6);
        text[1] = (char)(0x80 | (byte & 0x3f));
        len = 2;
    }
    pawl_emit_shared_text(p, pawl_text_mark(p, text, len), text, len);
    return 0;
}

/* Protocol 2 has no bytes: _codecs.encode(text, 'latin1'), or bytes(). */
static int save_bytes(struct pawl_pickler *p, const struct pawl_value *value,
                      uint32_t *mark)
{
    const uint8_t *data = (const uint8_t *)value->as.text.data;
    size_t len = value->as.text.len;
    if (len == 0) {
        pawl_emit_name(p, PAWL_NAME_BYTES);
        pawl_emit_call(p, 0, mark);
        return 0;
    }
    pawl_emit_name(p, PAWL_NAME_ENCODE);
    int rc = 0;
    if (len == 1) {
        rc = emit_one_char(p, data[0]);
    } else {
        rc = emit_latin1(p, data, len);
        pawl_emit_put(p, NULL);
    }
    pawl_emit_shared_text(p, pawl_text_mark(p, "latin1", 6), "latin1", 6);
    pawl_emit_call(p, 2, mark);
    return rc;
}

static int save_bytearray(struct pawl_pickler *p,
                          const struct pawl_value *value)
{
    int rc = 0;
    pawl_emit_name(p, PAWL_NAME_BYTEARRAY);
    if (value->as.text.len > 0) {
        rc = save_bytes(p, value, NULL);
    }
    pawl_emit_call(p, value->as.text.len > 0 ? 1 : 0, &p->marks[value->id]);
    return rc;
}

static void save_complex(struct pawl_pickler *p, const struct pawl_value *value)
{
    pawl_emit_name(p, PAWL_NAME_COMPLEX);
    pawl_emit_float(p, value->as.complex.real);
    pawl_emit_float(p, value->as.complex.imag);
    pawl_emit_call(p, 2, &p->marks[value->id]);
}

int pawl_emit_scalar(struct pawl_pickler *p, const struct pawl_value *value)
{
    switch (value->kind) {
    case PAWL_KIND_NONE:
        pawl_emit_op(p, PICKLE_NONE);
        return 0;
    case PAWL_KIND_BOOL:
        pawl_emit_bool(p, value->as.boolean);
        return 0;
    case PAWL_KIND_INT:
        if (value->is_big) {
            return pawl_emit_bigint(p, value->as.text.data, value->as.text.len);
        }
        pawl_emit_int(p, value->as.integer);
        return 0;
    case PAWL_KIND_FLOAT:
        pawl_emit_float(p, value->as.real);
        return 0;
    case PAWL_KIND_COMPLEX:
        save_complex(p, value);
        return 0;
    case PAWL_KIND_STR:
        return save_str(p, value);
    case PAWL_KIND_BYTES:
        return save_bytes(p, value, &p->marks[value->id]);
    case PAWL_KIND_BYTEARRAY:
        return save_bytearray(p, value);
    default:
        return pawl_fail(p->err, PAWL_EBUG, 0, "a value of unknown kind %d",
                         value->kind);
    }
}
