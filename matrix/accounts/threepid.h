/* accounts/threepid.h: mail addresses of users: who may have which, proofs of ownership, and binding them. */
#ifndef MX_ACCOUNTS_THREEPID_H
#define MX_ACCOUNTS_THREEPID_H

#include "accounts/accounts.h"
#include "storage/accounts_threepids.h"

/* Is there a mail section by which addresses can be verified? */
bool mx_mail_enabled(const struct gg_config *config);

/* The one form of an address that is stored: trimmed, in small letters (Unicode case folding of the local part as of
 * the domain). 400 M_INVALID_PARAM: it is none. Pure. */
GG_CHECKED int mx_mail_canonical(struct gg_str address, struct gg_arena *arena, struct gg_str *out,
                                 struct gg_error *err);
/* 400 M_INVALID_PARAM: not 1 to 255 of [0-9a-zA-Z.=_-]. Pure. */
GG_CHECKED int mx_client_secret_check(struct gg_str secret, struct gg_error *err);
/* allowed_local_3pids: 403 M_THREEPID_DENIED. registering: rules that hold for new accounts only. */
GG_CHECKED int mx_threepid_allowed(struct mx_server *server, const char *medium, struct gg_str address,
                                   bool registering, struct gg_error *err);

/* What a validation is for: which mail is sent and where its link leads. */
enum mx_mail_purpose { MX_MAIL_REGISTER, MX_MAIL_PASSWORD, MX_MAIL_ADD };
/* Makes or finds the validation session of (address, secret) and mails a token, unless this attempt was mailed
 * already. address is canonical; next_link s NULL: none. *sid_out in the arena. */
GG_YIELDS GG_CHECKED int mx_validation_request(struct mx_server *server, enum mx_mail_purpose purpose,
                                               struct gg_str address, struct gg_str secret, int64_t attempt,
                                               struct gg_str next_link, struct gg_arena *arena, struct gg_str *sid_out,
                                               struct gg_error *err);
/* The address that a session has proved; medium s NULL in *out: not (yet), or another secret. */
GG_YIELDS GG_CHECKED int mx_validation_result(struct mx_server *server, struct gg_str sid, struct gg_str secret,
                                              struct gg_arena *arena, struct mx_validation *out, struct gg_error *err);

#endif
