/* matrix/storage/chains/links.h: links between chains, and whether one place is reached from another. */
#ifndef MATRIX_STORAGE_CHAINS_LINKS_H
#define MATRIX_STORAGE_CHAINS_LINKS_H

#include <ganglion/map.h>

#include "chains.h"

struct mx_links {
    struct gg_arena *arena;
    struct gg_map *by_origin;    /* origin chain -> struct link_list * */
    struct mx_chain_link *fresh; /* added now */
    size_t n_fresh, cap_fresh;
};

void mx_links_init(struct mx_links *links, struct gg_arena *arena);
void mx_links_done(struct mx_links *links);
void mx_links_add(struct mx_links *links, struct mx_chain_place from, struct mx_chain_place to);
void mx_links_add_new(struct mx_links *links, struct mx_chain_place from, struct mx_chain_place to);
struct mx_chain_link *mx_links_new(const struct mx_links *links, size_t *n_out);
/* How far each chain was reached. */
struct mx_reached {
    struct gg_map *chains; /* chain (8 bytes) -> int64_t *: its highest sequence */
    struct gg_arena *arena;
    struct mx_chain_place *todo; /* private */
    size_t n, cap;
};
void mx_reached_init(struct mx_reached *reached, struct gg_arena *arena);
void mx_reached_done(struct mx_reached *reached);
/* All that links lead to from there, itself included. */
void mx_links_reach(const struct mx_links *links, struct mx_reached *reached, struct mx_chain_place from);
int64_t mx_reached_at(const struct mx_reached *reached, int64_t chain); /* 0: not at all */

/* Is `to` in the auth chain of `from`? A link (c, s) may be followed from any sequence >= s of c. */
bool mx_links_path(const struct mx_links *links, struct mx_chain_place from, struct mx_chain_place to);

#endif
