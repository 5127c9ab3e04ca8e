/* matrix/push/text.h: JSON as the tables of push rules hold it: compact, in ASCII, the way Synapse's encoder writes it. */
#ifndef MX_PUSH_TEXT_H
#define MX_PUSH_TEXT_H

#include <ganglion/matrix/json.h>

/* Appends JSON text that is known to be valid, compactly, with what is not ASCII escaped. */
void mx_push_write_json(struct gg_buf *out, struct gg_str json, struct gg_arena *arena);
/* One action: of a tweak first set_tweak, then its value (null counts as none), then the rest in the order of their keys. */
void mx_push_write_action(struct gg_buf *out, struct gg_str action, struct gg_arena *arena);

#endif
