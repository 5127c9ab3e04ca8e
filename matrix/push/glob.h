/* matrix/push/glob.h: patterns of push rules (client-server API, "Conditions": event_match). Pure.
 *
 * '*' stands for any run of characters, '?' for one; neither for a line feed. Case does not count: a pattern without either
 * is compared in lower case (Unicode's full mapping), one with them character by character with what has the same simple
 * case folding. That is what Synapse's regular expressions do. */
#ifndef MX_PUSH_GLOB_H
#define MX_PUSH_GLOB_H

#include <ganglion/arena.h>

/* Unicode's full mapping; text that is no UTF-8 is lowered in its ASCII letters only. In the arena. */
struct gg_str mx_push_lower(struct gg_str text, struct gg_arena *arena);
/* Simple case folding of text in lower case, in the arena. */
struct gg_str mx_push_fold(struct gg_str text, struct gg_arena *arena);

struct mx_push_pattern {
    struct gg_str text; /* s NULL: none */
    bool wild;          /* has '*' or '?': folded, and to be compared with folded text; else both in lower case */
};
struct mx_push_pattern mx_push_pattern_of(struct gg_str text, struct gg_arena *arena);

/* Does the pattern stand for the whole text? What is looked at is taken from *budget, in bytes; when it is used up nothing
 * matches any more: whoever writes patterns cannot make the process stall. */
bool mx_push_glob(struct gg_str pattern, struct gg_str text, uint64_t *budget);
/* For a part of the text that begins and ends at the boundary of a word? */
bool mx_push_glob_word(struct gg_str pattern, struct gg_str text, uint64_t *budget);

#endif
