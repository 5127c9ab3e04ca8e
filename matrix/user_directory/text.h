/* matrix/user_directory/text.h: names as the index has them, and what is searched as a query of PostgreSQL's text search. */
#ifndef MX_USER_DIRECTORY_TEXT_H
#define MX_USER_DIRECTORY_TEXT_H

#include <ganglion/arena.h>

/* Lower case, then NFKC, in the arena; text that is no UTF-8 stays as it is. */
struct gg_str mx_directory_fold(struct gg_str text, struct gg_arena *arena);

enum { MX_DIRECTORY_WORDS = 10 }; /* of a search; more would let one request cost too much */

/* For to_tsquery, empty when the term holds no word. */
struct mx_directory_terms {
    struct gg_str any;    /* every word, or one that begins with it */
    struct gg_str exact;  /* every word */
    struct gg_str prefix; /* every word as a beginning */
};
/* Words as Unicode separates them (UAX 29); '@' and ':' separate too, '-', '.' and '_' between words do not: user ids
 * hold them, and PostgreSQL splits such words its own way. */
void mx_directory_terms(struct gg_str term, struct gg_arena *arena, struct mx_directory_terms *out);

#endif
