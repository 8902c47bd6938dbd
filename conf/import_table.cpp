#include "conf/import_table.hpp"

#include <algorithm>
#include <array>

namespace weir::conf {

namespace {

constexpr std::string_view kNames =
    "names are resolved anew for every server connection, by the system's resolver";
constexpr std::string_view kBuffers = "each thread has one buffer of a fixed size";
constexpr std::string_view kOneProcess =
    "one process serves all cores (listen.threads); cancel requests need no peers";
constexpr std::string_view kJournal =
    "Weir writes to standard error, which systemd's journal takes, or to log.file";

constexpr std::array kKnown{
    KnownSetting{"admin_users", Carry::List, "admin", "admins", "", ""},
    KnownSetting{
        "application_name_add_host", Carry::Flag, "listen", "application_name_add_host", "", ""},
    KnownSetting{"auth_dbname", Carry::Text, "auth", "query_database", "", ""},
    KnownSetting{"auth_file", Carry::Special, "auth", "users_file", "", ""},
    KnownSetting{"auth_hba_file", Carry::Path, "auth", "hba_file", "", ""},
    KnownSetting{"auth_ident_file", Carry::Path, "auth", "ident_file", "", ""},
    KnownSetting{"auth_ldap_options", Carry::Missing, "", "", "", "Weir does not speak LDAP"},
    KnownSetting{"auth_query", Carry::Text, "auth", "query", "", ""},
    KnownSetting{"auth_type", Carry::Special, "auth", "method", "md5", ""},
    KnownSetting{"auth_user", Carry::Special, "auth", "query_user", "", ""},
    KnownSetting{"autodb_idle_timeout",
                 Carry::NotNeeded,
                 "",
                 "",
                 "",
                 "a pool nobody uses goes away after a minute without connections"},
    KnownSetting{"cancel_wait_timeout",
                 Carry::NotNeeded,
                 "",
                 "",
                 "",
                 "a cancel request never waits for a place in the pool; it is given up after 10 s"},
    KnownSetting{"client_idle_timeout", Carry::Seconds, "listen", "client_idle_timeout", "", ""},
    KnownSetting{
        "client_login_timeout", Carry::Seconds, "listen", "client_login_timeout", "60", ""},
    KnownSetting{"client_tls13_ciphers", Carry::Text, "tls.client", "tls13_ciphers", "", ""},
    KnownSetting{"client_tls_ca_file", Carry::Path, "tls.client", "ca_file", "", ""},
    KnownSetting{"client_tls_cert_file", Carry::Path, "tls.client", "cert_file", "", ""},
    KnownSetting{"client_tls_ciphers", Carry::Special, "tls.client", "ciphers", "", ""},
    KnownSetting{
        "client_tls_dheparams", Carry::NotNeeded, "", "", "", "OpenSSL chooses the parameters"},
    KnownSetting{"client_tls_ecdhcurve", Carry::NotNeeded, "", "", "", "OpenSSL chooses the curve"},
    KnownSetting{"client_tls_key_file", Carry::Path, "tls.client", "key_file", "", ""},
    KnownSetting{"client_tls_protocols", Carry::Special, "tls.client", "min_version", "", ""},
    KnownSetting{"client_tls_sslmode", Carry::Choice, "tls.client", "mode", "", ""},
    KnownSetting{
        "conffile", Carry::NotNeeded, "", "", "", "the file is named when Weir is started"},
    KnownSetting{"default_pool_size", Carry::Number, "pool", "max", "20", ""},
    KnownSetting{"disable_pqexec", Carry::Special, "limits", "simple_queries", "", ""},
    KnownSetting{"dns_max_ttl", Carry::NotNeeded, "", "", "", kNames},
    KnownSetting{"dns_nxdomain_ttl", Carry::NotNeeded, "", "", "", kNames},
    KnownSetting{"dns_zone_check_period", Carry::NotNeeded, "", "", "", kNames},
    KnownSetting{
        "idle_transaction_timeout", Carry::Seconds, "pool", "idle_in_transaction_timeout", "", ""},
    KnownSetting{"ignore_startup_parameters",
                 Carry::NotNeeded,
                 "",
                 "",
                 "",
                 "a client's startup parameters go with it to the server, which judges them"},
    KnownSetting{"job_name", Carry::NotNeeded, "", "", "", "the service manager has a name for it"},
    KnownSetting{"listen_addr", Carry::Special, "listen", "addresses", "", ""},
    KnownSetting{"listen_backlog", Carry::Number, "listen", "backlog", "", ""},
    KnownSetting{"listen_port", Carry::Special, "listen", "addresses", "", ""},
    KnownSetting{"log_connections", Carry::Flag, "log", "connections", "1", ""},
    KnownSetting{"log_disconnections", Carry::Flag, "log", "disconnections", "1", ""},
    KnownSetting{"log_pooler_errors", Carry::Flag, "log", "pooler_errors", "", ""},
    KnownSetting{"log_stats", Carry::Special, "log", "stats_every", "", ""},
    KnownSetting{"logfile", Carry::Path, "log", "file", "", ""},
    KnownSetting{"login_notify_message", Carry::Text, "listen", "login_notice", "", ""},
    KnownSetting{"max_client_conn", Carry::Number, "listen", "max_clients", "100", ""},
    KnownSetting{"max_db_client_connections", Carry::Special, "database", "max_clients", "", ""},
    KnownSetting{"max_db_connections", Carry::Number, "limits", "max_database_connections", "", ""},
    KnownSetting{"max_packet_size", Carry::Bytes, "limits", "max_message", "2147483647", ""},
    KnownSetting{"max_prepared_statements", Carry::Number, "pool", "prepared_statements", "", ""},
    KnownSetting{"max_user_client_connections", Carry::Special, "user", "max_clients", "", ""},
    KnownSetting{"max_user_connections", Carry::Number, "limits", "max_user_connections", "", ""},
    KnownSetting{"min_pool_size", Carry::Number, "pool", "min", "0", ""},
    KnownSetting{"peer_id", Carry::NotNeeded, "", "", "", kOneProcess},
    KnownSetting{"pidfile", Carry::Path, "", "pid_file", "", ""},
    KnownSetting{"pkt_buf", Carry::NotNeeded, "", "", "", kBuffers},
    KnownSetting{"pool_idle_timeout",
                 Carry::NotNeeded,
                 "",
                 "",
                 "",
                 "a pool nobody uses goes away after a minute without connections"},
    KnownSetting{"pool_mode", Carry::Choice, "pool", "mode", "session", ""},
    KnownSetting{"query_timeout",
                 Carry::Seconds,
                 "policy",
                 "statement_timeout",
                 "",
                 "PgBouncer disconnects the client; Weir cancels the statement on the server, and "
                 "the client stays connected"},
    KnownSetting{"query_wait_notify", Carry::Seconds, "pool", "notice_after", "", ""},
    KnownSetting{"query_wait_timeout", Carry::Seconds, "pool", "acquire_timeout", "120", ""},
    KnownSetting{"reserve_pool_size", Carry::Number, "pool", "reserve", "", ""},
    KnownSetting{"reserve_pool_timeout", Carry::Special, "pool", "reserve_after", "", ""},
    KnownSetting{"resolv_conf", Carry::NotNeeded, "", "", "", kNames},
    KnownSetting{"sbuf_loopcnt", Carry::NotNeeded, "", "", "", kBuffers},
    KnownSetting{"scram_iterations",
                 Carry::NotNeeded,
                 "",
                 "",
                 "",
                 "4096, as PostgreSQL's own default; a SCRAM secret brings its own number"},
    KnownSetting{"server_check_delay", Carry::Special, "pool", "check_after", "", ""},
    KnownSetting{"server_check_query", Carry::Special, "pool", "check_query", "", ""},
    KnownSetting{"server_connect_timeout", Carry::Special, "cluster", "connect_timeout", "", ""},
    KnownSetting{"server_fast_close",
                 Carry::Missing,
                 "",
                 "",
                 "",
                 "a server connection in session mode is closed when its client leaves"},
    KnownSetting{"server_idle_timeout", Carry::Seconds, "pool", "idle_timeout", "600", ""},
    KnownSetting{"server_lifetime", Carry::Special, "pool", "max_lifetime", "", ""},
    KnownSetting{"server_login_retry", Carry::Special, "policy.retry", "connect", "", ""},
    KnownSetting{"server_reset_query", Carry::Text, "pool", "reset_query", "", ""},
    KnownSetting{"server_reset_query_always", Carry::Special, "", "", "", ""},
    KnownSetting{"server_round_robin", Carry::Flag, "pool", "round_robin", "", ""},
    KnownSetting{"server_tls13_ciphers", Carry::Text, "tls.server", "tls13_ciphers", "", ""},
    KnownSetting{"server_tls_ca_file", Carry::Path, "tls.server", "ca_file", "", ""},
    KnownSetting{"server_tls_cert_file", Carry::Path, "tls.server", "cert_file", "", ""},
    KnownSetting{"server_tls_ciphers", Carry::Special, "tls.server", "ciphers", "", ""},
    KnownSetting{"server_tls_key_file", Carry::Path, "tls.server", "key_file", "", ""},
    KnownSetting{"server_tls_protocols", Carry::Special, "tls.server", "min_version", "", ""},
    KnownSetting{"server_tls_sslmode", Carry::Choice, "tls.server", "mode", "", ""},
    KnownSetting{"service_name", Carry::NotNeeded, "", "", "", "of Windows"},
    KnownSetting{"so_reuseport", Carry::NotNeeded, "", "", "", kOneProcess},
    KnownSetting{"stats_period", Carry::Special, "log", "stats_every", "", ""},
    KnownSetting{"stats_users", Carry::List, "admin", "viewers", "", ""},
    KnownSetting{"suspend_timeout",
                 Carry::Missing,
                 "",
                 "",
                 "",
                 "there is no takeover by a new process that it would be for"},
    KnownSetting{"syslog", Carry::Special, "", "", "", kJournal},
    KnownSetting{"syslog_facility", Carry::NotNeeded, "", "", "", kJournal},
    KnownSetting{"syslog_ident", Carry::NotNeeded, "", "", "", kJournal},
    KnownSetting{"tcp_defer_accept",
                 Carry::NotNeeded,
                 "",
                 "",
                 "",
                 "who connects and says nothing is closed after listen.client_login_timeout"},
    KnownSetting{"tcp_keepalive", Carry::Special, "listen", "tcp_keepalive", "", ""},
    KnownSetting{"tcp_keepcnt", Carry::Special, "listen", "tcp_keepalive_count", "", ""},
    KnownSetting{"tcp_keepidle", Carry::Special, "listen", "tcp_keepalive", "", ""},
    KnownSetting{"tcp_keepintvl", Carry::Special, "listen", "tcp_keepalive_interval", "", ""},
    KnownSetting{
        "tcp_socket_buffer", Carry::NotNeeded, "", "", "", "the kernel sizes them as they need"},
    KnownSetting{"tcp_user_timeout", Carry::Milliseconds, "listen", "tcp_user_timeout", "", ""},
    KnownSetting{"track_extra_parameters",
                 Carry::NotNeeded,
                 "",
                 "",
                 "",
                 "every setting PostgreSQL reports goes with its client"},
    KnownSetting{"transaction_timeout", Carry::Seconds, "pool", "transaction_timeout", "", ""},
    KnownSetting{"unix_socket_dir", Carry::Special, "listen", "addresses", "", ""},
    KnownSetting{"unix_socket_group", Carry::Text, "listen", "unix_socket_group", "", ""},
    KnownSetting{"unix_socket_mode", Carry::Text, "listen", "unix_socket_mode", "0777", ""},
    KnownSetting{"user",
                 Carry::Missing,
                 "",
                 "",
                 "",
                 "Weir does not change its user; start it as that one (User= of the unit)"},
    KnownSetting{"verbose", Carry::Special, "log", "level", "", ""},
};

}  // namespace

std::span<const KnownSetting> pgbouncer_settings() {
    return kKnown;
}

const KnownSetting* find_pgbouncer_setting(std::string_view name) {
    const auto found =
        std::find_if(kKnown.begin(), kKnown.end(), [name](const KnownSetting& known) {
            return known.name == name;
        });
    return found == kKnown.end() ? nullptr : &*found;
}

}  // namespace weir::conf
