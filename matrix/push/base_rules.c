/* matrix/push/base_rules.c: the push rules that every user has, as one table (client-server API, "Predefined Rules";
 * the rest from the proposals whose numbers stand in their names). Conditions and actions are JSON, as clients see them. */
#include "push/base_rules.h"

#define MATCH(key_, pattern_) "{\"kind\":\"event_match\",\"key\":\"" #key_ "\",\"pattern\":\"" #pattern_ "\"}"
#define TYPE(type_) MATCH(type, type_)
#define TWO_MEMBERS "{\"kind\":\"room_member_count\",\"is\":\"2\"}"
#define EXTENSIBLE_ROOM                                                                                              \
    "{\"kind\":\"org.matrix.msc3931.room_version_supports\",\"feature\":\"org.matrix.msc3932.extensible_events\"}"

#define NOTIFY "[\"notify\"]"
#define NOTHING "[]"
#define INVITED                                                                                                      \
    "[\"notify\",{\"set_tweak\":\"highlight\",\"value\":false},{\"set_tweak\":\"sound\",\"value\":\"default\"}]"
#define QUIETLY "[\"notify\",{\"set_tweak\":\"highlight\",\"value\":false}]"
#define LOUDLY "[\"notify\",{\"set_tweak\":\"highlight\"},{\"set_tweak\":\"sound\",\"value\":\"default\"}]"
#define HIGHLIGHT "[\"notify\",{\"set_tweak\":\"highlight\"}]"
#define SOUND                                                                                                        \
    "[\"notify\",{\"set_tweak\":\"sound\",\"value\":\"default\"},{\"set_tweak\":\"highlight\",\"value\":false}]"
#define SOUND_ONLY "[\"notify\",{\"set_tweak\":\"sound\",\"value\":\"default\"}]"
#define RING "[\"notify\",{\"set_tweak\":\"sound\",\"value\":\"ring\"},{\"set_tweak\":\"highlight\",\"value\":false}]"
#define RING_ONLY "[\"notify\",{\"set_tweak\":\"sound\",\"value\":\"ring\"}]"

const struct mx_push_base_rule mx_push_base_rules[] = {
    {"global/override/.m.rule.master", MX_PUSH_OVERRIDE, "[]", NOTHING, .first = true, .off = true},
    {"global/override/.org.matrix.msc4028.encrypted_event", MX_PUSH_OVERRIDE,
     "[" TYPE(m.room.encrypted) "]", NOTIFY, .needs = MX_PUSH_F_ENCRYPTED},
    {"global/override/.m.rule.suppress_notices", MX_PUSH_OVERRIDE, "[" MATCH(content.msgtype, m.notice) "]", NOTHING},
    {"global/override/.m.rule.invite_for_me", MX_PUSH_OVERRIDE,
     "[" TYPE(m.room.member) "," MATCH(content.membership, invite)
     "," "{\"kind\":\"event_match\",\"key\":\"state_key\",\"pattern_type\":\"user_id\"}" "]", INVITED},
    {"global/override/.m.rule.member_event", MX_PUSH_OVERRIDE, "[" TYPE(m.room.member) "]", NOTHING},
    {"global/override/.im.nheko.msc3664.reply", MX_PUSH_OVERRIDE,
     "[{\"kind\":\"im.nheko.msc3664.related_event_match\",\"key\":\"sender\",\"pattern_type\":\"user_id\","
     "\"rel_type\":\"m.in_reply_to\"}"
     "]", LOUDLY, .needs = MX_PUSH_F_RELATED},
    {"global/override/.org.matrix.msc4075.rule.rtc.invite_for_me", MX_PUSH_OVERRIDE,
     "[" TYPE(org.matrix.msc4075.rtc.notification)
     "," "{\"kind\":\"event_property_contains\",\"key\":\"content.m\\\\.mentions.user_ids\",\"value_type\":\"user_id\"}"
     "]", RING_ONLY, .needs = MX_PUSH_F_CALLS},
    {"global/override/.org.matrix.msc4075.rule.rtc.invite_for_room", MX_PUSH_OVERRIDE,
     "[" TYPE(org.matrix.msc4075.rtc.notification)
     "," "{\"kind\":\"event_property_is\",\"key\":\"content.m\\\\.mentions.room\",\"value\":true}"
     "," "{\"kind\":\"sender_notification_permission\",\"key\":\"room\"}" "]", RING_ONLY, .needs = MX_PUSH_F_CALLS},
    {"global/override/.m.rule.is_user_mention", MX_PUSH_OVERRIDE,
     "[" "{\"kind\":\"event_property_contains\",\"key\":\"content.m\\\\.mentions.user_ids\",\"value_type\":\"user_id\"}"
     "]", LOUDLY},
    {"global/override/.m.rule.contains_display_name", MX_PUSH_OVERRIDE,
     "[" "{\"kind\":\"contains_display_name\"}"
     "]", LOUDLY, .unless = MX_PUSH_F_MODERN_MENTIONS, .looks_for_names = true},
    {"global/override/.m.rule.is_room_mention", MX_PUSH_OVERRIDE,
     "[" "{\"kind\":\"event_property_is\",\"key\":\"content.m\\\\.mentions.room\",\"value\":true}"
     "," "{\"kind\":\"sender_notification_permission\",\"key\":\"room\"}" "]", HIGHLIGHT},
    {"global/override/.m.rule.roomnotif", MX_PUSH_OVERRIDE,
     "[" "{\"kind\":\"sender_notification_permission\",\"key\":\"room\"}"
     "," MATCH(content.body, @room) "]", HIGHLIGHT, .unless = MX_PUSH_F_MODERN_MENTIONS, .looks_for_names = true},
    {"global/override/.m.rule.tombstone", MX_PUSH_OVERRIDE,
     "[" TYPE(m.room.tombstone) "," MATCH(state_key, ) "]", HIGHLIGHT},
    {"global/override/.m.rule.reaction", MX_PUSH_OVERRIDE, "[" TYPE(m.reaction) "]", NOTHING},
    {"global/override/.m.rule.room.server_acl", MX_PUSH_OVERRIDE,
     "[" TYPE(m.room.server_acl) "," MATCH(state_key, ) "]", NOTHING},
    {"global/override/.m.rule.suppress_edits", MX_PUSH_OVERRIDE,
     "[" "{\"kind\":\"event_property_is\",\"key\":\"content.m\\\\.relates_to.rel_type\",\"value\":\"m.replace\"}"
     "]", NOTHING},
    {"global/override/.org.matrix.msc3930.rule.poll_response", MX_PUSH_OVERRIDE,
     "[" TYPE(org.matrix.msc3381.poll.response) "]", NOTHING, .needs = MX_PUSH_F_POLLS},
    {"global/content/.m.rule.contains_user_name", MX_PUSH_CONTENT,
     "[" "{\"kind\":\"event_match\",\"key\":\"content.body\",\"pattern_type\":\"user_localpart\"}"
     "]", LOUDLY, .unless = MX_PUSH_F_MODERN_MENTIONS, .looks_for_names = true},
    {"global/postcontent/.io.element.msc4306.rule.unsubscribed_thread", MX_PUSH_POSTCONTENT,
     "[" "{\"kind\":\"io.element.msc4306.thread_subscription\",\"subscribed\":false}"
     "]", NOTHING, .needs = MX_PUSH_F_SUBSCRIPTIONS},
    {"global/postcontent/.io.element.msc4306.rule.subscribed_thread", MX_PUSH_POSTCONTENT,
     "[" "{\"kind\":\"io.element.msc4306.thread_subscription\",\"subscribed\":true}"
     "]", SOUND_ONLY, .needs = MX_PUSH_F_SUBSCRIPTIONS},
    {"global/underride/.m.rule.call", MX_PUSH_UNDERRIDE, "[" TYPE(m.call.invite) "]", RING},
    {"global/underride/.m.rule.encrypted_room_one_to_one", MX_PUSH_UNDERRIDE,
     "[" TYPE(m.room.encrypted) "," TWO_MEMBERS "]", SOUND},
    {"global/underride/.m.rule.room_one_to_one", MX_PUSH_UNDERRIDE,
     "[" TYPE(m.room.message) "," TWO_MEMBERS "]", SOUND},
    {"global/underride/.org.matrix.msc3933.rule.extensible.encrypted_room_one_to_one", MX_PUSH_UNDERRIDE,
     "[" TYPE(org.matrix.msc1767.encrypted) "," TWO_MEMBERS
     "," EXTENSIBLE_ROOM "]", SOUND, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.org.matrix.msc3933.rule.extensible.message.room_one_to_one", MX_PUSH_UNDERRIDE,
     "[" TYPE(org.matrix.msc1767.message) "," TWO_MEMBERS
     "," EXTENSIBLE_ROOM "]", SOUND, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.org.matrix.msc3933.rule.extensible.file.room_one_to_one", MX_PUSH_UNDERRIDE,
     "[" TYPE(org.matrix.msc1767.file) "," TWO_MEMBERS
     "," EXTENSIBLE_ROOM "]", SOUND, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.org.matrix.msc3933.rule.extensible.image.room_one_to_one", MX_PUSH_UNDERRIDE,
     "[" TYPE(org.matrix.msc1767.image) "," TWO_MEMBERS
     "," EXTENSIBLE_ROOM "]", SOUND, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.org.matrix.msc3933.rule.extensible.video.room_one_to_one", MX_PUSH_UNDERRIDE,
     "[" TYPE(org.matrix.msc1767.video) "," TWO_MEMBERS
     "," EXTENSIBLE_ROOM "]", SOUND, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.org.matrix.msc3933.rule.extensible.audio.room_one_to_one", MX_PUSH_UNDERRIDE,
     "[" TYPE(org.matrix.msc1767.audio) "," TWO_MEMBERS
     "," EXTENSIBLE_ROOM "]", SOUND, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.m.rule.message", MX_PUSH_UNDERRIDE, "[" TYPE(m.room.message) "]", QUIETLY},
    {"global/underride/.m.rule.encrypted", MX_PUSH_UNDERRIDE, "[" TYPE(m.room.encrypted) "]", QUIETLY},
    {"global/underride/.org.matrix.msc1767.rule.extensible.encrypted", MX_PUSH_UNDERRIDE,
     "[" TYPE(m.encrypted) "," EXTENSIBLE_ROOM "]", QUIETLY, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.org.matrix.msc1767.rule.extensible.message", MX_PUSH_UNDERRIDE,
     "[" TYPE(m.message) "," EXTENSIBLE_ROOM "]", QUIETLY, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.org.matrix.msc1767.rule.extensible.file", MX_PUSH_UNDERRIDE,
     "[" TYPE(m.file) "," EXTENSIBLE_ROOM "]", QUIETLY, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.org.matrix.msc1767.rule.extensible.image", MX_PUSH_UNDERRIDE,
     "[" TYPE(m.image) "," EXTENSIBLE_ROOM "]", QUIETLY, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.org.matrix.msc1767.rule.extensible.video", MX_PUSH_UNDERRIDE,
     "[" TYPE(m.video) "," EXTENSIBLE_ROOM "]", QUIETLY, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.org.matrix.msc1767.rule.extensible.audio", MX_PUSH_UNDERRIDE,
     "[" TYPE(m.audio) "," EXTENSIBLE_ROOM "]", QUIETLY, .needs = MX_PUSH_F_EXTENSIBLE},
    {"global/underride/.im.vector.jitsi", MX_PUSH_UNDERRIDE,
     "[" TYPE(im.vector.modular.widgets) "," MATCH(content.type, jitsi) "," MATCH(state_key, *) "]", QUIETLY},
    {"global/underride/.org.matrix.msc3930.rule.poll_start_one_to_one", MX_PUSH_UNDERRIDE,
     "[" TWO_MEMBERS "," TYPE(org.matrix.msc3381.poll.start) "]", SOUND_ONLY, .needs = MX_PUSH_F_POLLS},
    {"global/underride/.org.matrix.msc3930.rule.poll_start", MX_PUSH_UNDERRIDE,
     "[" TYPE(org.matrix.msc3381.poll.start) "]", NOTIFY, .needs = MX_PUSH_F_POLLS},
    {"global/underride/.org.matrix.msc3930.rule.poll_end_one_to_one", MX_PUSH_UNDERRIDE,
     "[" TWO_MEMBERS "," TYPE(org.matrix.msc3381.poll.end) "]", SOUND_ONLY, .needs = MX_PUSH_F_POLLS},
    {"global/underride/.org.matrix.msc3930.rule.poll_end", MX_PUSH_UNDERRIDE,
     "[" TYPE(org.matrix.msc3381.poll.end) "]", NOTIFY, .needs = MX_PUSH_F_POLLS},
};

const size_t mx_push_n_base_rules = GG_COUNT(mx_push_base_rules);
