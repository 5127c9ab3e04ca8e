/* What a plain YAML 1.1 scalar means, by the rules of PyYAML's SafeLoader; and
 * Synapse's durations and sizes (gg_parse_duration, gg_parse_size). */
#ifndef GG_CONFIG_SCALAR_H
#define GG_CONFIG_SCALAR_H

#include <ganglion/config.h>

struct gg_scalar {
    bool b;
    int64_t i;
    double d;
};

/* The kind (enum gg_node_kind) that text resolves to, its value in *out; -1 for a
 * number that fits no 64-bit integer or that Python cannot read ("0b_"). */
int gg_scalar_resolve(struct gg_str text, struct gg_scalar *out);
/* As if tagged: !!bool (any case), !!int, !!float; false if text is none. */
bool gg_scalar_bool(struct gg_str text, bool *out);
bool gg_scalar_int(struct gg_str text, int64_t *out);
bool gg_scalar_float(struct gg_str text, double *out);

#endif
