/* accounts/access_token.h: the form of opaque tokens (facts database 8.2). Pure. */
#ifndef MX_ACCOUNTS_ACCESS_TOKEN_H
#define MX_ACCOUNTS_ACCESS_TOKEN_H

#include <ganglion/arena.h>

/* "syt_<base64 of the localpart>_<20 letters>_<check>", fresh at each call, in the arena. */
const char *mx_access_token_new(struct gg_arena *arena, struct gg_str localpart);
/* Is the check at the end right (of any syt_, syr_ or syl_ token)? Says nothing about whether it was issued. */
bool mx_token_check(struct gg_str token);
/* Ten capital letters: a device id that the server chose. out holds 11 bytes. */
void mx_device_id_new(char out[11]);

#endif
