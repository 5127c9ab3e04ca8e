/* matrix/appservice/third_party.h: networks that bridges lead to (application service API, "Third-party networks"). */
#ifndef MX_APPSERVICE_THIRD_PARTY_H
#define MX_APPSERVICE_THIRD_PARTY_H

#include <ganglion/matrix/appservice.h>
#include <jansson.h>

/* What the services say of their protocols, as {protocol: metadata}; only: of one protocol; NULL: of all. Services that
 * fail to answer are left out. A new reference. */
GG_YIELDS json_t *mx_third_party_protocols(struct mx_server *server, const char *only);
/* Users (kind "user") or places (kind "location") of a protocol, by the fields of a query string (without a question mark):
 * a list, a new reference. */
GG_YIELDS json_t *mx_third_party_find(struct mx_server *server, const char *kind, const char *protocol, struct gg_str query);

#endif
