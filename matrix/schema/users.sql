-- users.sql: accounts, the tokens they log in with, addresses that belong to them, interactive authentication.

CREATE SEQUENCE user_id_seq;

-- Local accounts (full user id in name). Written by: the main process.
CREATE TABLE users (
    name text UNIQUE,                         -- full user id
    -- bcrypt string; NULL without password or when deactivated; '' seen for appservice users
    password_hash text,
    creation_ts bigint,                       -- SECONDS since the epoch (not ms)
    admin smallint NOT NULL DEFAULT 0,        -- 0/1
    upgrade_ts bigint,                        -- guest upgraded, seconds
    is_guest smallint NOT NULL DEFAULT 0,     -- 0/1
    appservice_id text,                       -- owner appservice
    consent_version text,
    consent_server_notice_sent text,
    user_type text,                           -- NULL, support, bot or other configured
    deactivated smallint NOT NULL DEFAULT 0,  -- 0/1
    shadow_banned boolean,
    consent_ts bigint,                        -- ms
    approved boolean,                         -- true unless approval is required
    locked boolean NOT NULL DEFAULT false,
    suspended boolean NOT NULL DEFAULT false
);
CREATE INDEX users_creation_ts ON users (creation_ts);

-- Refresh tokens in the clear. Written by: the main process.
CREATE TABLE refresh_tokens (
    id bigint PRIMARY KEY,
    user_id text NOT NULL,
    device_id text NOT NULL,
    token text NOT NULL UNIQUE,
    -- replacement already issued
    next_token_id bigint REFERENCES refresh_tokens (id) ON DELETE CASCADE,
    expiry_ts bigint,                  -- ms
    ultimate_session_expiry_ts bigint  -- ms
);
CREATE INDEX refresh_tokens_next_token_id ON refresh_tokens (next_token_id) WHERE next_token_id IS NOT NULL;

-- Opaque tokens in the clear. Written by: the main process.
CREATE TABLE access_tokens (
    id bigint PRIMARY KEY,  -- local counter, max(id)+1 at process start
    user_id text NOT NULL,
    device_id text,         -- NULL for admin-issued tokens
    token text NOT NULL UNIQUE,
    valid_until_ms bigint,  -- ms or NULL
    puppets_user_id text,   -- user acted for, on admin login as user (user_id then is the admin)
    last_validated bigint,  -- ms of last interactive auth
    -- refresh token this one came with
    refresh_token_id bigint REFERENCES refresh_tokens (id) ON DELETE CASCADE,
    used boolean            -- set on first use
);
CREATE INDEX access_tokens_device_id ON access_tokens (user_id, device_id);
CREATE INDEX access_tokens_refresh_token_id_idx ON access_tokens (refresh_token_id);

-- Short-lived tokens for m.login.token. Written by: the main process.
CREATE TABLE login_tokens (
    token text PRIMARY KEY,     -- "syl_..."
    user_id text NOT NULL,
    expiry_ts bigint NOT NULL,  -- ms
    used_ts bigint,             -- ms, set on use; deleted later
    auth_provider_id text,
    auth_provider_session_id text
);
CREATE INDEX login_tokens_auth_provider_idx ON login_tokens (auth_provider_id, auth_provider_session_id);
CREATE INDEX login_tokens_expiry_time_idx ON login_tokens (expiry_ts);

-- OpenID tokens. Written by: any process.
CREATE TABLE open_id_tokens (
    token text PRIMARY KEY,             -- 24 letters
    ts_valid_until_ms bigint NOT NULL,  -- ms
    user_id text NOT NULL
);
CREATE INDEX open_id_tokens_ts_valid_until_ms ON open_id_tokens (ts_valid_until_ms);

-- Where tokens were used. Written by: the background process (5 s batches).
CREATE TABLE user_ips (
    user_id text NOT NULL,
    access_token text NOT NULL,  -- token in the clear
    device_id text,
    ip text NOT NULL,
    user_agent text NOT NULL,
    last_seen bigint NOT NULL    -- ms; updates at most every 120 s per key
);
CREATE INDEX user_ips_device_id ON user_ips (user_id, device_id, last_seen);
CREATE INDEX user_ips_last_seen ON user_ips (user_id, last_seen);
CREATE INDEX user_ips_last_seen_only ON user_ips (last_seen);
CREATE UNIQUE INDEX user_ips_user_token_ip_unique_index ON user_ips (user_id, access_token, ip);

-- One row per user, device and day. Written by: the background process.
CREATE TABLE user_daily_visits (
    user_id text NOT NULL,
    device_id text,
    "timestamp" bigint NOT NULL,  -- ms of midnight UTC
    user_agent text
);
CREATE INDEX user_daily_visits_ts_idx ON user_daily_visits ("timestamp");
CREATE INDEX user_daily_visits_uts_idx ON user_daily_visits (user_id, "timestamp");

-- MAU list, only when limits or tracking are on. Written by: the background process.
CREATE TABLE monthly_active_users (
    user_id text NOT NULL,
    "timestamp" bigint NOT NULL  -- ms
);
CREATE INDEX monthly_active_users_time_stamp ON monthly_active_users ("timestamp");
CREATE UNIQUE INDEX monthly_active_users_users ON monthly_active_users (user_id);

-- Bound e-mail addresses and phone numbers. Written by: the main process.
CREATE TABLE user_threepids (
    user_id text NOT NULL,
    medium text NOT NULL,
    address text NOT NULL,         -- canonical (lower-cased e-mail)
    validated_at bigint NOT NULL,  -- ms
    added_at bigint NOT NULL,      -- ms
    CONSTRAINT medium_address UNIQUE (medium, address)
);
CREATE INDEX user_threepids_medium_address ON user_threepids (medium, address);
CREATE INDEX user_threepids_user_id ON user_threepids (user_id);

-- Identity server a binding was made at. Written by: the main process.
CREATE TABLE user_threepid_id_server (
    user_id text NOT NULL,
    medium text NOT NULL,
    address text NOT NULL,
    id_server text NOT NULL
);
CREATE UNIQUE INDEX user_threepid_id_server_idx ON user_threepid_id_server (user_id, medium, address, id_server);

-- Pending validations. Written by: the main process.
CREATE TABLE threepid_validation_session (
    session_id text PRIMARY KEY,        -- random string
    medium text NOT NULL,
    address text NOT NULL,
    client_secret text NOT NULL,
    last_send_attempt bigint NOT NULL,  -- client's attempt counter
    validated_at bigint                 -- ms or NULL
);

-- Mailed tokens. Written by: the main process.
CREATE TABLE threepid_validation_token (
    token text PRIMARY KEY,
    session_id text NOT NULL,
    next_link text,
    expires bigint NOT NULL  -- ms
);
CREATE INDEX threepid_validation_token_session_id ON threepid_validation_token (session_id);

-- Guest token per invited 3pid. Written by: the main process.
CREATE TABLE threepid_guest_access_tokens (
    medium text,
    address text,
    guest_access_token text,
    first_inviter text
);
CREATE UNIQUE INDEX threepid_guest_access_tokens_index ON threepid_guest_access_tokens (medium, address);

-- Single-sign-on identities. Written by: the main process.
CREATE TABLE user_external_ids (
    auth_provider text NOT NULL,
    external_id text NOT NULL,
    user_id text NOT NULL,
    UNIQUE (auth_provider, external_id)
);
CREATE INDEX user_external_ids_user_id_idx ON user_external_ids (user_id);

-- Interactive auth sessions. Written by: any process (the main process).
CREATE TABLE ui_auth_sessions (
    session_id text NOT NULL UNIQUE,  -- 24 letters
    creation_time bigint NOT NULL,    -- ms
    -- JSON server-side notes (request_user_id, registered_user_id, password_hash, ...)
    serverdict text NOT NULL,
    clientdict text NOT NULL,         -- JSON of the first request body less secrets
    uri text NOT NULL,
    method text NOT NULL,
    description text NOT NULL
);

-- Completed stages. Written by: any process (the main process).
CREATE TABLE ui_auth_sessions_credentials (
    session_id text NOT NULL REFERENCES ui_auth_sessions (session_id),
    stage_type text NOT NULL,
    result text NOT NULL,  -- JSON value (true or "\"@user:server\"")
    UNIQUE (session_id, stage_type)
);

-- Addresses that used the session. Written by: any process (the main process).
CREATE TABLE ui_auth_sessions_ips (
    session_id text NOT NULL REFERENCES ui_auth_sessions (session_id),
    ip text NOT NULL,
    user_agent text NOT NULL,
    UNIQUE (session_id, ip, user_agent)
);

-- Registration tokens. Written by: any process (admin), the main process on use.
CREATE TABLE registration_tokens (
    token text NOT NULL UNIQUE,
    uses_allowed integer,
    pending integer NOT NULL,
    completed integer NOT NULL,
    expiry_time bigint
);

-- Expiry of accounts, if configured. Written by: the main process.
CREATE TABLE account_validity (
    user_id text PRIMARY KEY,
    expiration_ts_ms bigint NOT NULL,
    email_sent boolean NOT NULL,
    renewal_token text,
    token_used_ts_ms bigint
);

-- Deactivation in progress (room parting not finished). Written by: the main process.
CREATE TABLE users_pending_deactivation (
    user_id text NOT NULL
);

-- Erased accounts. Written by: the main process.
CREATE TABLE erased_users (
    user_id text NOT NULL
);
CREATE UNIQUE INDEX erased_users_user ON erased_users (user_id);

-- Per-user message limits. Written by: any process (admin).
CREATE TABLE ratelimit_override (
    user_id text NOT NULL,
    messages_per_second bigint,
    burst_count bigint
);
CREATE UNIQUE INDEX ratelimit_override_idx ON ratelimit_override (user_id);

-- Feature switches per user. Written by: any process (admin).
CREATE TABLE per_user_experimental_features (
    user_id text NOT NULL REFERENCES users (name),
    feature text NOT NULL,
    enabled boolean DEFAULT false,
    PRIMARY KEY (user_id, feature)
);

-- Reports of users. Written by: any process (the main process).
CREATE TABLE user_reports (
    id bigint PRIMARY KEY,
    received_ts bigint NOT NULL,
    target_user_id text NOT NULL,
    user_id text NOT NULL,
    reason text NOT NULL
);
CREATE INDEX user_reports_target_user_id ON user_reports (target_user_id);
CREATE INDEX user_reports_user_id ON user_reports (user_id);
