"""Which processes a deployment has, and their configuration files."""

import os

import yaml

from .ports import free_port

# Worker apps beside generic_worker: started when their plugin was built. The switch is the seed's, in the shared file.
SINGLE_ROLES = {
    "pusher": {"start_pushers": False},
    "appservice": {"notify_appservices": False},
    "federation_sender": {"send_federation": False},
    "media_repository": {"enable_media_repo": False, "media_instance_running_background_jobs": "media_repository1"},
    "user_dir": {"update_user_directory": False},
    "frontend_proxy": {},
}

# A demonstration on one's own machine must not throttle whoever tries it.
UNLIMITED = {"per_second": 1000000, "burst_count": 1000000}
RATE_LIMITS = {
    "rc_message": UNLIMITED,
    "rc_registration": UNLIMITED,
    "rc_login": {"address": UNLIMITED, "account": UNLIMITED, "failed_attempts": UNLIMITED},
    "rc_joins": {"local": UNLIMITED, "remote": UNLIMITED},
    "rc_joins_per_room": UNLIMITED,
    "rc_invites": {"per_room": UNLIMITED, "per_user": UNLIMITED, "per_issuer": UNLIMITED},
    "rc_room_creation": UNLIMITED,
    "rc_profile": UNLIMITED,
    "rc_user_directory": UNLIMITED,
    "rc_presence": {"per_user": UNLIMITED},
    "rc_admin_redaction": UNLIMITED,
}


class Worker:
    """One process of the deployment."""

    def __init__(self, name, app, listener_names, port=None, replication_port=None, extra=None, outermost=False):
        self.name, self.app = name, app
        self.outermost = outermost  # nobody stands before it: who asks is who connects
        self.listener_names = listener_names
        self.port = port or (free_port() if listener_names else None)
        self.replication_port = replication_port or free_port()
        self.extra = extra or {}

    def listeners(self):
        found = []
        if self.port:
            found.append({"type": "http", "port": self.port, "bind_addresses": ["127.0.0.1"], "x_forwarded": not self.outermost,
                          "resources": [{"names": self.listener_names}]})
        found.append({"type": "http", "port": self.replication_port, "bind_addresses": ["127.0.0.1"],
                      "resources": [{"names": ["replication"]}]})
        return found


def router(port):
    """Ganglion's own reverse proxy, in place of nginx."""
    return Worker("router", "synapse.app.frontend_proxy", ["client", "federation"], port=port, outermost=True,
                  extra={"frontend_proxy": {"route": True}})


def split(roles):
    """Main, two generic workers, two event persisters, and one of every other role that was built."""
    client = ["client", "federation"]
    workers = [Worker("generic_worker1", "synapse.app.generic_worker", client),
               Worker("generic_worker2", "synapse.app.generic_worker", client),
               Worker("event_persister1", "synapse.app.generic_worker", []),
               Worker("event_persister2", "synapse.app.generic_worker", [])]
    names = {"media_repository": ["media"], "user_dir": ["client"], "frontend_proxy": ["client"]}
    workers += [Worker(f"{role}1", f"synapse.app.{role}", names.get(role, [])) for role in SINGLE_ROLES if role in roles]
    return workers


# Streams besides events that can have a process of their own.
OWN_WRITERS = ("typing", "to_device", "account_data", "receipts", "presence", "push_rules", "device_lists")


def spread(roles):
    """As split(), with a worker for each of OWN_WRITERS and one for what runs in the background."""
    own = [Worker(f"{stream}_writer", "synapse.app.generic_worker", ["client"]) for stream in OWN_WRITERS]
    return split(roles) + own + [Worker("background_worker", "synapse.app.generic_worker", [])]


SPREAD_WRITERS = {"events": ["event_persister1", "event_persister2"], **{stream: f"{stream}_writer" for stream in OWN_WRITERS}}
SPREAD_CONFIG = {"run_background_tasks_on": "background_worker"}


def shared_file(deployment):
    """homeserver.yaml as a dict."""
    d = deployment
    config = {
        "server_name": d.server_name,
        "public_baseurl": f"http://127.0.0.1:{d.front_port}/",
        "report_stats": False,
        "signing_key_path": os.path.join(d.folder, "keys", "signing.key"),
        "media_store_path": os.path.join(d.folder, "media"),
        "pid_file": d.pid_file("main"),
        "log_config": os.path.join(d.folder, "config", "log.yaml") if d.log_config else None,
        "database": {"name": "psycopg2", "args": {**d.postgres.conninfo(d.database), "cp_min": 2, "cp_max": 10}},
        "listeners": d.main.listeners() if d.workers else d.main.listeners()[:1],
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "registration_shared_secret": d.registration_secret,
        "macaroon_secret_key": d.macaroon_secret,
        "form_secret": d.form_secret,
        "bcrypt_rounds": d.bcrypt_rounds,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "room_list_publication_rules": [{"action": "allow"}],
        **RATE_LIMITS,
    }
    if d.workers:
        config["worker_replication_secret"] = d.replication_secret
        config["redis"] = {"enabled": True, "host": "127.0.0.1", "port": d.redis.port, "password": d.redis.password}
        config["instance_map"] = {"main": {"host": "127.0.0.1", "port": d.main.replication_port}}
        for worker in d.workers:
            config["instance_map"][worker.name] = {"host": "127.0.0.1", "port": worker.replication_port}
            role = worker.app.rpartition(".")[2]
            config.update(SINGLE_ROLES.get(role, {}))
        config["stream_writers"] = d.stream_writers
    if d.federation is not None:
        config.update(federation_settings(d))
    config = {key: value for key, value in config.items() if value is not None}
    config.update(d.extra_config)
    return config


def federation_settings(deployment):
    """Other servers on this machine are reached, and known by their authority; a proxy in front has the port, else main has it."""
    federation = deployment.federation
    settings = {"federation_custom_ca_list": [federation.authority], "ip_range_blacklist": [], "federation_ip_range_blacklist": [], "trusted_key_servers": [],
                "tls_certificate_path": federation.certificate, "tls_private_key_path": federation.key}
    if deployment.proxy is None:
        listeners = deployment.main.listeners() if deployment.workers else deployment.main.listeners()[:1]
        settings["listeners"] = listeners + [federation_listener(deployment)]
    return settings


def federation_listener(deployment, names=("federation",)):
    return {"type": "http", "port": deployment.federation.port, "bind_addresses": ["127.0.0.1"], "tls": True,
            "resources": [{"names": list(names)}]}


def worker_file(deployment, worker):
    config = {"worker_app": worker.app, "worker_name": worker.name, "worker_listeners": worker.listeners(),
              "worker_pid_file": deployment.pid_file(worker.name)}
    if worker is deployment.proxy and deployment.federation is not None:
        config["worker_listeners"].append(federation_listener(deployment, worker.listener_names))
    if deployment.log_config:
        config["worker_log_config"] = os.path.join(deployment.folder, "config", "log.yaml")
    if worker.app.endswith(".frontend_proxy"):
        config["worker_main_http_uri"] = f"http://127.0.0.1:{deployment.main.port}"
    config.update(worker.extra)
    return config


def write(deployment):
    """Writes every file of the deployment; the configuration folder is what `ganglion routes -c` reads."""
    folder = os.path.join(deployment.folder, "config")
    os.makedirs(os.path.join(folder, "workers"), exist_ok=True)
    for name in ("keys", "media", "run", "logs"):
        os.makedirs(os.path.join(deployment.folder, name), exist_ok=True)
    for stale in os.listdir(os.path.join(folder, "workers")):
        os.unlink(os.path.join(folder, "workers", stale))
    _write(os.path.join(folder, "homeserver.yaml"), shared_file(deployment))
    for worker in deployment.workers:
        _write(os.path.join(folder, "workers", f"{worker.name}.yaml"), worker_file(deployment, worker))


class _Plain(yaml.SafeDumper):
    """Without anchors: the files are for people to read."""

    def ignore_aliases(self, data):
        return True


def _write(path, config):
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        yaml.dump(config, f, _Plain, sort_keys=False, default_flow_style=False)
