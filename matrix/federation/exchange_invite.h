/* matrix/federation/exchange_invite.h: an invite by address, taken up by a user of ours, of a room of other servers. */
#ifndef MX_FEDERATION_EXCHANGE_INVITE_H
#define MX_FEDERATION_EXCHANGE_INVITE_H

#include <ganglion/matrix/server.h>

/* Hands the proof (JSON object text) that the address is mxid's to the server of who invited, else to the room's, so
 * that they make it an invite. Their 4xx, or 502 when neither can be asked. */
GG_YIELDS GG_CHECKED int mx_fed_exchange_invite(struct mx_server *server, struct gg_str room_id, struct gg_str sender,
                                                struct gg_str mxid, struct gg_str proof, struct gg_arena *arena,
                                                struct gg_error *err);

#endif
