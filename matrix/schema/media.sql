-- media.sql: uploads, copies of remote media, thumbnails and URL previews.

CREATE SEQUENCE quarantined_media_id_seq;
SELECT nextval('quarantined_media_id_seq');

-- Uploads, pending uploads and URL-preview fetches. Written by: the media repository.
CREATE TABLE local_media_repository (
    media_id text UNIQUE,                          -- 24 letters, or "<YYYY-MM-DD>_<16 letters>" for url_cache
    media_type text,
    media_length integer,                          -- NULL until a created upload is filled
    created_ts bigint,                             -- ms
    upload_name text,
    user_id text,                                  -- uploader, or who asked for the preview
    quarantined_by text,                           -- admin user id
    url_cache text,                                -- original URL if fetched for a preview
    last_access_ts bigint,                         -- ms (batched every minute)
    safe_from_quarantine boolean NOT NULL DEFAULT false,
    authenticated boolean NOT NULL DEFAULT false,  -- true when made while authenticated media is on
    sha256 text                                    -- hex of the content
);
CREATE INDEX local_media_repository_sha256 ON local_media_repository (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX local_media_repository_url_idx ON local_media_repository (created_ts) WHERE url_cache IS NOT NULL;
CREATE INDEX users_have_local_media ON local_media_repository (user_id, created_ts);

-- Thumbnails on disk. Written by: the media repository.
CREATE TABLE local_media_repository_thumbnails (
    media_id text,
    thumbnail_width integer,
    thumbnail_height integer,
    thumbnail_type text,
    thumbnail_method text,  -- crop or scale
    thumbnail_length integer
);
CREATE UNIQUE INDEX local_media_repository_thumbn_media_id_width_height_method_key ON local_media_repository_thumbnails
    (media_id, thumbnail_width, thumbnail_height, thumbnail_type, thumbnail_method);
CREATE INDEX local_media_repository_thumbnails_media_id ON local_media_repository_thumbnails (media_id);

-- Preview answers. Written by: the media repository.
CREATE TABLE local_media_repository_url_cache (
    url text,
    response_code integer,
    etag text,          -- header
    expires_ts bigint,  -- ms
    og text,            -- JSON
    media_id text,
    download_ts bigint  -- ms
);
CREATE INDEX local_media_repository_url_cache_by_url_download_ts ON local_media_repository_url_cache (url, download_ts);
CREATE INDEX local_media_repository_url_cache_expires_idx ON local_media_repository_url_cache (expires_ts);
CREATE INDEX local_media_repository_url_cache_media_idx ON local_media_repository_url_cache (media_id);

-- Remote content kept locally. Written by: the media repository.
CREATE TABLE remote_media_cache (
    media_origin text,
    media_id text,
    media_type text,
    created_ts bigint,
    upload_name text,
    media_length integer,
    filesystem_id text,  -- 24 letters, local file name
    last_access_ts bigint,
    quarantined_by text,
    authenticated boolean NOT NULL DEFAULT false,
    sha256 text,
    UNIQUE (media_origin, media_id)
);
CREATE INDEX remote_media_cache_sha256 ON remote_media_cache (sha256) WHERE sha256 IS NOT NULL;

-- Thumbnails of it. Written by: the media repository.
CREATE TABLE remote_media_cache_thumbnails (
    media_origin text,
    media_id text,
    thumbnail_width integer,
    thumbnail_height integer,
    thumbnail_method text,
    thumbnail_type text,
    thumbnail_length integer,
    filesystem_id text
);
CREATE UNIQUE INDEX remote_media_repository_thumbn_media_origin_id_width_height_met ON remote_media_cache_thumbnails
    (media_origin, media_id, thumbnail_width, thumbnail_height, thumbnail_type, thumbnail_method);

-- Stream of (un)quarantine acts. Written by: the quarantined_media writer.
CREATE TABLE quarantined_media_changes (
    stream_id integer PRIMARY KEY,
    instance_name text NOT NULL,
    origin text,  -- NULL for local media
    media_id text NOT NULL,
    quarantined boolean NOT NULL
);
