/* tree.h: what the files of this folder share about trees. */
#ifndef MX_JSON_TREE_H
#define MX_JSON_TREE_H

#include <ganglion/matrix/json.h>

struct mx_json *mx_json_node(struct gg_arena *arena, enum mx_json_kind kind);
/* Appends without looking for an equal key. */
void mx_json_append(struct mx_json *object, struct gg_arena *arena, struct gg_str key, struct mx_json *value);
/* Of equal keys keeps the first one's place and the last one's value, as a Python dict does. */
void mx_json_distinct(struct mx_json *object);
/* Appends a number's text as Python prints what it reads: ints as they stand (-0 is 0), floats by repr(). */
void mx_json_number(struct gg_buf *out, struct gg_str text);
/* A fraction or an exponent: what Python reads as a float. */
bool mx_json_is_float(struct gg_str number);
/* 0: canonicaljson can write it; else why not, in words. */
const char *mx_json_number_wrong(struct gg_str number);

#endif
