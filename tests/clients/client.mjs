// A client of matrix-js-sdk with its Rust crypto, told what to do line by line: {"id", "do", "with"} in, {"id", "ok" | "error"} out.

import readline from "node:readline";

import * as sdk from "matrix-js-sdk";
import { CryptoEvent, VerificationPhase, VerificationRequestEvent, VerifierEvent } from "matrix-js-sdk/lib/crypto-api/index.js";
import { SlidingSync, SlidingSyncEvent, SlidingSyncState } from "matrix-js-sdk/lib/sliding-sync.js";
import { logger } from "matrix-js-sdk/lib/logger.js";

logger.setLevel?.("error", false);
for (const name of ["log", "debug", "info", "warn"]) console[name] = () => {};

let client, secretStorageKey, password, sliding;

function later(what, seconds, look) {
    const end = Date.now() + seconds * 1000;
    return new Promise((resolve, reject) => {
        const again = async () => {
            try {
                const found = await look();
                if (found) return resolve(found);
            } catch (problem) {
                return reject(problem);
            }
            if (Date.now() > end) return reject(new Error(`not within ${seconds} s: ${what}`));
            setTimeout(again, 50);
        };
        again();
    });
}

const room = (id) => client.getRoom(id);
const eventsOf = (id) => room(id)?.getUnfilteredTimelineSet().getLiveTimeline().getEvents() ?? [];

function shown(event) {
    return { id: event.getId(), sender: event.getSender(), type: event.getType(), body: event.getContent().body ?? null,
             encrypted: event.isEncrypted(), failed: event.isDecryptionFailure(), redacted: event.isRedacted(),
             edited: event.replacingEventId() ?? null, thread: event.threadRootId ?? null };
}

async function connect({ base, user, password: secret, device }) {
    password = secret;
    const login = await sdk.createClient({ baseUrl: base }).loginRequest({
        type: "m.login.password", identifier: { type: "m.id.user", user }, password, initial_device_display_name: device });
    client = sdk.createClient({
        baseUrl: base, userId: login.user_id, deviceId: login.device_id, accessToken: login.access_token, timelineSupport: true,
        cryptoCallbacks: {
            getSecretStorageKey: async ({ keys }) => secretStorageKey && [Object.keys(keys)[0], secretStorageKey.privateKey],
            cacheSecretStorageKey: () => {},
        },
    });
    await client.initRustCrypto({ useIndexedDB: false });
    return { user_id: login.user_id, device_id: login.device_id };
}

// Both ways of asking for news say when the first answer has been taken in.
async function started() {
    await later("the first sync", 20, () => ["PREPARED", "SYNCING"].includes(client.getSyncState()));
}

const withPassword = (makeRequest) =>
    makeRequest({ type: "m.login.password", identifier: { type: "m.id.user", user: client.getUserId() }, password });

async function confirmSas(request) {
    const verifier = request.verifier ?? (await request.startVerification("m.sas.v1"));
    const shownSas = new Promise((resolve) => verifier.once(VerifierEvent.ShowSas, resolve));
    const done = verifier.verify();
    const sas = verifier.getShowSasCallbacks() ?? (await shownSas);
    await sas.confirm();
    await done;
    return sas.sas.decimal;
}

const commands = {
    async connect(what) {
        const me = await connect(what);
        await client.startClient({ initialSyncLimit: 20, threadSupport: true, lazyLoadMembers: true });
        await started();
        return me;
    },

    // The only sync of Element X. `pos` and the base URL may be those of another worker's connection.
    async connect_sliding(what) {
        const me = await connect(what);
        const list = { ranges: [[0, 20]], required_state: [["*", "*"]], timeline_limit: 20 };
        sliding = new SlidingSync(what.base, new Map([["all", list]]), { timeline_limit: 20 }, client, 2000);
        await client.startClient({ slidingSync: sliding, threadSupport: true });
        await started();
        return me;
    },

    async go_on_at({ base }) {
        client.http.opts.baseUrl = base;
        sliding.proxyBaseUrl = base;
        sliding.resend?.();
        let answers = 0;
        const failures = [];
        sliding.on(SlidingSyncEvent.Lifecycle, (state, answer, error) => {
            if (state === SlidingSyncState.RequestFinished && error) failures.push(String(error));
            if (state === SlidingSyncState.Complete) answers++;
        });
        await later("an answer of the other worker", 20, () => answers > 1);
        return { failures };
    },

    rooms: async () => client.getRooms().map((r) => ({ id: r.roomId, name: r.name, membership: r.getMyMembership() })),

    async bootstrap() {
        const crypto = client.getCrypto();
        await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: withPassword });
        await crypto.bootstrapSecretStorage({
            createSecretStorageKey: async () => (secretStorageKey = await crypto.createRecoveryKeyFromPassphrase()), setupNewKeyBackup: true });
        await later("backup runs", 20, () => crypto.getActiveSessionBackupVersion());
        return { recovery_key: secretStorageKey.encodedPrivateKey, ready: await crypto.isCrossSigningReady() };
    },

    async recover({ recovery_key: key }) {
        const crypto = client.getCrypto();
        const { decodeRecoveryKey } = await import("matrix-js-sdk/lib/crypto-api/recovery-key.js");
        secretStorageKey = { privateKey: decodeRecoveryKey(key) };
        await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: withPassword });
        await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
        await crypto.checkKeyBackupAndEnable();
        const restored = await crypto.restoreKeyBackup();
        return { ...restored, ready: await crypto.isCrossSigningReady() };
    },

    backed_up: async ({ keys }) => later("keys are backed up", 30, async () => {
        const info = await client.http.authedRequest("GET", "/room_keys/version", undefined, undefined, { prefix: "/_matrix/client/v3" });
        return info && info.count >= keys && { count: info.count };
    }),

    async create_room({ invite = [], name }) {
        const { room_id: id } = await client.createRoom({
            name, invite, preset: "private_chat",
            initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }] });
        await later("the room is there", 20, () => room(id));
        return id;
    },

    async join({ room_id: id }) {
        await later("the invite", 20, () => room(id)?.getMyMembership() === "invite");
        await client.joinRoom(id);
        await later("the room is joined", 20, () => room(id)?.getMyMembership() === "join");
        return true;
    },

    async has_members({ room_id: id, users }) {
        await later(`${users} in the room`, 20, async () => {
            await room(id).loadMembersIfNeeded();
            return users.every((user) => room(id).getMember(user)?.membership === "join");
        });
        return true;
    },

    send: async ({ room_id: id, body }) => (await client.sendTextMessage(id, body)).event_id,
    reply_in_thread: async ({ room_id: id, root, body }) => (await client.sendTextMessage(id, root, body)).event_id,
    redact: async ({ room_id: id, event_id: event }) => (await client.redactEvent(id, event)).event_id,

    async edit({ room_id: id, event_id: event, body }) {
        const content = { "msgtype": "m.text", "body": `* ${body}`, "m.new_content": { msgtype: "m.text", body },
                          "m.relates_to": { rel_type: "m.replace", event_id: event } };
        return (await client.sendEvent(id, "m.room.message", content)).event_id;
    },

    // Waits for an event that looks as it is told.
    async sees({ room_id: id, event_id: event, like, seconds = 20 }) {
        let last = null;
        return later(`${event} as ${JSON.stringify(like)}`, seconds, () => {
            const found = room(id)?.findEventById(event) ?? eventsOf(id).find((e) => e.getId() === event);
            last = found && shown(found);
            return last && Object.entries(like).every(([key, value]) => last[key] === value) && last;
        }).catch((problem) => {
            throw new Error(`${problem.message}; it is ${JSON.stringify(last)}`);
        });
    },

    async scroll_back({ room_id: id, to }) {
        await later("the beginning of what is looked for", 30, async () => {
            if (eventsOf(id).some((e) => e.getId() === to)) return true;
            await client.scrollback(room(id), 10);
            return false;
        });
        return eventsOf(id).map((e) => e.getId());
    },

    async thread({ room_id: id, root, length }) {
        const found = await later("the thread", 20, () => {
            const thread = room(id)?.getThread(root);
            return thread && thread.length >= length && thread;
        });
        return { length: found.length, last: found.replyToEvent?.getId() ?? null };
    },

    async ask_to_verify({ room_id: id, user }) {
        const request = await client.getCrypto().requestVerificationDM(user, id);
        await later("the other is ready", 30, () => request.phase === VerificationPhase.Ready || request.phase === VerificationPhase.Started);
        return confirmSas(request);
    },

    async answer_verification({ user }) {
        const request = await new Promise((resolve) => {
            const known = client.getCrypto().getVerificationRequestsToDeviceInProgress(user)[0];
            if (known) resolve(known);
            client.on(CryptoEvent.VerificationRequestReceived, (asked) => asked.otherUserId === user && resolve(asked));
        });
        await request.accept();
        if (!request.verifier)
            await new Promise((resolve) => request.on(VerificationRequestEvent.Change, () => request.verifier && resolve()));
        return confirmSas(request);
    },

    async trusts({ user }) {
        return later(`${user} is verified`, 20, async () =>
            (await client.getCrypto().getUserVerificationStatus(user)).isCrossSigningVerified());
    },

    async stop() {
        client.stopClient();
        return true;
    },
};

const waiting = new Set();
for await (const line of readline.createInterface({ input: process.stdin })) {
    const { id, do: name, with: what } = JSON.parse(line);
    const work = commands[name](what ?? {}).then((ok) => ({ id, ok }), (error) => ({ id, error: `${name}: ${error.stack ?? error}` }));
    waiting.add(work);
    work.then((answer) => {
        waiting.delete(work);
        process.stdout.write(JSON.stringify(answer) + "\n");
    });
}
process.exit(0);
