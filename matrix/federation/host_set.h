/* matrix/federation/host_set.h: servers and how many members each has; pure. */
#ifndef MX_FEDERATION_HOST_SET_H
#define MX_FEDERATION_HOST_SET_H

#include <ganglion/base.h>

/* Immutable, reference-counted (one thread). */
struct mx_host_set {
    int refs;
    size_t n, bytes;
    const struct gg_str *names; /* bytewise ascending */
    const int64_t *members;     /* of each, at least 1 */
};

struct mx_host_change {
    struct gg_str name;
    int64_t by; /* members more; negative: fewer */
};

/* old (NULL: nobody) with the changes, which are put in order in place; a server without members is left out. One
 * reference. Nothing of the arguments is kept. */
struct mx_host_set *mx_host_set_changed(const struct mx_host_set *old, struct mx_host_change *changes, size_t n);
struct mx_host_set *mx_host_set_ref(struct mx_host_set *set);
void mx_host_set_unref(struct mx_host_set *set); /* NULL is fine */

#endif
