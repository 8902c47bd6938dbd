#include "conf/import_pgbouncer.hpp"

#include "conf/draft.hpp"
#include "conf/import_databases.hpp"
#include "conf/users_file.hpp"
#include "conf/value.hpp"

#include <algorithm>
#include <filesystem>

namespace weir::conf {

namespace {

constexpr std::size_t kMaxUsersFileBytes = 64UL * 1024 * 1024;
/// What auth_query is when only auth_user is given (1.25).
constexpr std::string_view kAuthQuery =
    "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid "
    "WHERE rolname=$1 AND rolcanlogin";

/// The [pgbouncer] section, setting by setting.
class Settings {
public:
    explicit Settings(ImportDraft& draft) : draft_{draft} {}

    void carry_all() {
        for (const IniEntry& entry : draft_.ini.entries) {
            if (entry.section == "pgbouncer") {
                carry(entry);
            }
        }
        for (const KnownSetting& known : pgbouncer_settings()) {
            if (known.carry != Carry::Special && !known.fallback.empty() &&
                draft_.find(known.name) == nullptr) {
                put(known, std::string{known.fallback}, {});
            }
        }
        carry_listen();
        carry_auth();
        carry_pool();
        carry_tcp();
        carry_log();
        for (const char* side : {"client", "server"}) {
            carry_tls(side);
        }
    }

private:
    void carry(const IniEntry& entry) {
        const KnownSetting* known = find_pgbouncer_setting(entry.key);
        if (known == nullptr) {
            draft_.find_fault(entry.at, entry.key, "is no setting of PgBouncer's; left out");
            return;
        }
        switch (known->carry) {
            case Carry::Special: return;
            case Carry::NotNeeded:
                draft_.result.notes.push_back(entry.key +
                                              ": not needed: " + std::string{known->why});
                return;
            case Carry::Missing:
                draft_.find_fault(entry.at, entry.key, std::string{known->why});
                return;
            default: put(*known, entry.value, entry.at);
        }
        if (!known->why.empty()) {
            draft_.find_fault(entry.at, entry.key, std::string{known->why});
        }
    }

    void put(const KnownSetting& known, const std::string& value, const IniPlace& at) {
        std::string text = value;
        if (known.carry == Carry::Seconds) {
            const auto duration = seconds_text(value);
            if (!duration.value) {
                draft_.complain(at, known.name, duration.problem);
                return;
            }
            text = *duration.value;
        } else if (known.carry == Carry::Milliseconds) {
            text = value + "ms";
        } else if (known.carry == Carry::Bytes) {
            text = value + "B";
        } else if (known.carry == Carry::Flag) {
            if (value != "0" && value != "1") {
                draft_.complain(at, known.name, "is neither 0 nor 1");
                return;
            }
            text = value == "1" ? "true" : "false";
        } else if (known.carry == Carry::Choice) {
            text = lower(value);
        } else if (known.carry == Carry::Path && !value.empty()) {
            text = std::filesystem::absolute(value).lexically_normal().string();
        }
        if (text.empty() && known.carry != Carry::Text) {
            return;
        }
        draft_.put({known.section, known.key}, text, at, known.name);
    }

    void carry_listen() {
        const std::string port = draft_.value_of("listen_port", "6432");
        std::string list;
        const auto add = [&list](const std::string& address) {
            list += (list.empty() ? "" : ",") + address;
        };
        const IniPlace at = draft_.place_of("listen_addr");
        for (const std::string& host : split_list(draft_.value_of("listen_addr", ""))) {
            if (host == "*") {
                draft_.find_fault(at,
                                  "listen_addr",
                                  "* is every IPv4 address here; add \"[::]:" + port +
                                      "\" to listen.addresses for IPv6");
            }
            add(tcp_address(host, port));
        }
        const std::string folder = draft_.value_of("unix_socket_dir", "/tmp");
        if (!folder.empty()) {
            add("unix:" + folder + (port == "6432" || folder.front() == '@' ? "" : ":" + port));
        }
        if (draft_.find("unix_socket_dir") == nullptr) {
            draft_.result.notes.emplace_back(
                "unix_socket_dir: not given, so /tmp; Debian's PgBouncer uses /var/run/postgresql");
        }
        draft_.put({"listen", "addresses"}, list, at, "listen_addr");
    }

    void carry_auth() {
        const std::string method = lower(draft_.value_of("auth_type", "md5"));
        const IniPlace at = draft_.place_of("auth_type");
        std::string ours = method == "plain" ? "password" : method;
        if (method == "any") {
            ours = "trust";
            draft_.find_fault(at,
                              "auth_type",
                              "any lets everybody in as the user of the database; trust lets "
                              "everybody in under the name they give");
        }
        const std::string problem = draft_.toml.put({"auth", "method"}, ours);
        if (!problem.empty()) {
            draft_.find_fault(at,
                              "auth_type",
                              method + " could not be carried over (" + problem +
                                  "): scram-sha-256 is written instead, nobody gets in unproved");
            static_cast<void>(draft_.toml.put({"auth", "method"}, "scram-sha-256"));
        }
        carry_users_file();
        if (const IniEntry* user = draft_.find("auth_user"); user != nullptr) {
            draft_.put({"auth", "query_user"}, user->value, user->at, user->key);
            if (draft_.find("auth_query") == nullptr) {
                draft_.put({"auth", "query"}, std::string{kAuthQuery}, user->at, user->key);
            }
        }
    }

    void carry_users_file() {
        const IniEntry* entry = draft_.find("auth_file");
        if (entry == nullptr || entry->value.empty()) {
            return;
        }
        const std::string path =
            std::filesystem::absolute(entry->value).lexically_normal().string();
        const auto text = read_text_file(path, kMaxUsersFileBytes);
        if (!text.value) {
            draft_.find_fault(entry->at, "auth_file", "the file " + path + " " + text.problem);
            return;
        }
        UsersFile file = parse_users_file(*text.value, path);
        for (const UserLine& line : file.users) {
            draft_.users.push_back(line.name);
        }
        if (!file.problems.empty()) {
            draft_.result.problems.insert(
                draft_.result.problems.end(), file.problems.begin(), file.problems.end());
            return;
        }
        draft_.put({"auth", "users_file"}, path, entry->at, "auth_file");
    }

    void carry_pool() {
        carry_zero("server_lifetime", "max_lifetime");
        carry_zero("server_check_delay", "check_after");
        if (const IniEntry* entry = draft_.find("server_check_query")) {
            if (entry->value.empty()) {
                draft_.put({"pool", "check_after"}, "0s", entry->at, entry->key);
            } else {
                const bool is_default = entry->value == "<empty>";
                draft_.put(
                    {"pool", "check_query"}, is_default ? "" : entry->value, entry->at, entry->key);
            }
        }
        if (const IniEntry* entry = draft_.find("reserve_pool_timeout")) {
            const auto duration = draft_.seconds(*entry);
            if (duration == "0s") {
                draft_.put({"pool", "reserve"}, "0", entry->at, entry->key);
            } else if (!duration.empty()) {
                draft_.put({"pool", "reserve_after"}, duration, entry->at, entry->key);
            }
        }
        carry_login_retry();
        const std::string mode = lower(draft_.value_of("pool_mode", "session"));
        if (draft_.value_of("server_reset_query_always", "0") == "1" && mode != "session") {
            draft_.find_fault(draft_.place_of("server_reset_query_always"),
                              "server_reset_query_always",
                              "server connections are not reset after every transaction");
        }
        if (const IniEntry* entry = draft_.find("disable_pqexec")) {
            draft_.put({"limits", "simple_queries"},
                       entry->value == "1" ? "false" : "true",
                       entry->at,
                       entry->key);
        }
    }

    /// Weir's pauses grow up to PgBouncer's, which is the same each time.
    void carry_login_retry() {
        constexpr double kFirstPause = 0.1;  // seconds
        const IniEntry* entry = draft_.find("server_login_retry");
        const std::string pause = entry == nullptr ? "" : draft_.seconds(*entry);
        if (pause.empty()) {
            return;
        }
        const double seconds = std::stod(entry->value);
        std::string text = "max=" + pause;
        if (seconds <= 0) {
            text = "max=100ms";
        } else if (seconds < kFirstPause) {
            text.append(", base=").append(pause);
        }
        draft_.put({"policy.retry", "connect"}, text, entry->at, entry->key);
    }

    /// Seconds where PgBouncer's 0 means at once, and ours never.
    void carry_zero(const char* name, const char* key) {
        if (const IniEntry* entry = draft_.find(name)) {
            const std::string duration = draft_.seconds(*entry);
            if (!duration.empty()) {
                draft_.put(
                    {"pool", key}, duration == "0s" ? "1ms" : duration, entry->at, entry->key);
            }
        }
    }

    void carry_tcp() {
        if (draft_.value_of("tcp_keepalive", "1") == "0") {
            draft_.put({"listen", "tcp_keepalive"},
                       "0s",
                       draft_.place_of("tcp_keepalive"),
                       "tcp_keepalive");
            return;
        }
        carry_positive("tcp_keepidle", "tcp_keepalive", "s");
        carry_positive("tcp_keepintvl", "tcp_keepalive_interval", "s");
        carry_positive("tcp_keepcnt", "tcp_keepalive_count", "");
    }

    /// 0 is the operating system's own: then ours stays.
    void carry_positive(const char* name, const char* key, const char* unit) {
        if (const IniEntry* entry = draft_.find(name); entry != nullptr && entry->value != "0") {
            draft_.put({"listen", key}, entry->value + unit, entry->at, name);
        }
    }

    void carry_log() {
        const IniEntry* period = draft_.find("stats_period");
        if (draft_.value_of("log_stats", "1") == "1") {
            draft_.put({"log", "stats_every"},
                       period != nullptr ? draft_.seconds(*period) : "60s",
                       draft_.place_of("stats_period"),
                       "stats_period");
        }
        if (draft_.value_of("verbose", "0") != "0") {
            draft_.put({"log", "level"}, "debug", draft_.place_of("verbose"), "verbose");
        }
        if (draft_.value_of("syslog", "0") == "1") {
            draft_.find_fault(draft_.place_of("syslog"),
                              "syslog",
                              std::string{find_pgbouncer_setting("syslog")->why});
        }
    }

    void carry_tls(const std::string& side) {
        const std::string section = "tls." + side;
        if (const IniEntry* entry = draft_.find(side + "_tls_ciphers")) {
            const std::string word = lower(entry->value);
            if (word != "default" && word != "secure" && word != "normal") {
                draft_.put({section, "ciphers"}, entry->value, entry->at, entry->key);
            }
        }
        if (const IniEntry* entry = draft_.find(side + "_tls_protocols")) {
            const std::string word = lower(entry->value);
            if (word != "secure" && word != "tlsv1.2" && word != "tlsv1.3" &&
                word != "tlsv1.2,tlsv1.3") {
                draft_.find_fault(entry->at, entry->key, "TLS below 1.2 is never spoken");
            }
            draft_.put(
                {section, "min_version"}, word == "tlsv1.3" ? "1.3" : "1.2", entry->at, entry->key);
        }
    }

    ImportDraft& draft_;
};

void add_common_notes(PgBouncerImport& result) {
    result.notes.insert(
        result.notes.end(),
        {("pool.state is left at \"carry\": in transaction mode a session's settings go with its "
          "client, where PgBouncer forgets them; applications written for PgBouncer do not notice"),
         "listen.threads is left at \"auto\": one event loop for each core, all sharing the pools",
         ("the pauses of policy.retry.connect grow to 1 s where server_login_retry is not given: "
          "PgBouncer waits 15 s"),
         "the HTTP port for metrics (http.address) is open on 127.0.0.1; address = \"\" closes it",
         ("the admin database is called pgbouncer, as there; clients of the same unix user get no "
          "special way in")});
}

std::string comments_at_the_end(const PgBouncerImport& result) {
    std::string text;
    for (const Problem& finding : result.findings) {
        text += "#   " + finding.text() + "\n";
    }
    if (!text.empty()) {
        text = "\n# Different, or not carried over:\n" + text;
    }
    text += "\n# Good to know:\n";
    for (const std::string& note : result.notes) {
        text += "#   " + note + "\n";
    }
    return text;
}

}  // namespace

PgBouncerImport import_pgbouncer(const std::string& path) {
    ImportDraft draft;
    draft.ini = read_pgbouncer_ini(path);
    draft.result.problems = draft.ini.problems;
    Settings{draft}.carry_all();
    static_cast<void>(draft.toml.put({"admin", "database"}, "pgbouncer"));
    carry_databases(draft);
    carry_users(draft);
    add_common_notes(draft.result);
    PgBouncerImport result = std::move(draft.result);
    if (result.problems.empty()) {
        result.toml = "# Made from " + path + " by weir import-pgbouncer.\n" + draft.toml.text() +
                      comments_at_the_end(result);
    }
    return result;
}

}  // namespace weir::conf
