#include "proxy/main_doctor.hpp"

#include "conf/load.hpp"
#include "conf/redis_url.hpp"
#include "ledger/file_place.hpp"
#include "maintenance/connect_options.hpp"
#include "maintenance/doctor_check.hpp"
#include "maintenance/doctor_members.hpp"
#include "maintenance/doctor_privileges.hpp"
#include "proxy/tls_contexts.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace weir::proxy {

namespace {

using maintenance::DoctorCheck;
using maintenance::DoctorChecks;
using State = DoctorCheck::State;

constexpr int kFine = 0;
constexpr int kFindings = 1;
constexpr int kCritical = 2;

std::string because_of(int error) {
    return std::generic_category().message(error);
}

void append(DoctorChecks& checks, DoctorChecks more) {
    std::move(more.begin(), more.end(), std::back_inserter(checks));
}

/// @return null where the settings cannot be used
conf::ConfigPtr check_settings(const std::string& path, DoctorChecks& checks) {
    conf::LoadResult loaded = conf::load(path, conf::Environment::of_process());
    const std::string subject = path.empty() ? "environment" : path;
    if (loaded.config != nullptr) {
        loaded.problems = open_tls(*loaded.config, loaded).problems;
    }
    for (const conf::Problem& problem : loaded.problems) {
        checks.push_back({State::Critical, "settings", subject, problem.text()});
    }
    for (const std::string& note : loaded.notes) {
        checks.push_back({State::Note, "settings", subject, note});
    }
    if (loaded.problems.empty()) {
        checks.push_back({State::Fine, "settings", subject, "can be used"});
    }
    return loaded.config;
}

/// @return "" where the file, or the folder it would be made in, can be written by who asks
std::string why_not_writable(const std::string& path) {
    if (const auto refused = ledger::refuse_place(path)) {
        return *refused;
    }
    if (access(path.c_str(), F_OK) == 0 && access(path.c_str(), R_OK | W_OK) != 0) {
        return because_of(errno);
    }
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    // SQLite keeps its log beside the file.
    return access(folder.c_str(), W_OK | X_OK) == 0 ? "" : folder + ": " + because_of(errno);
}

void check_ledger(const conf::LedgerSettings& ledger, DoctorChecks& checks) {
    if (ledger.path.empty() || ledger.path == ":memory:") {
        return;
    }
    const std::string why = why_not_writable(ledger.path);
    checks.push_back({why.empty() ? State::Fine : State::Finding,
                      "ledger",
                      ledger.path,
                      why.empty() ? "can be written" : "cannot be written: " + why});
}

/// A descriptor, closed at the end.
class Socket {
public:
    explicit Socket(int family) : fd_{socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0)} {}

    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    Socket(Socket&&) = delete;
    Socket& operator=(Socket&&) = delete;

    ~Socket() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }

    /// @return 0, or an errno
    [[nodiscard]] int connect_to(const sockaddr* address, socklen_t length) const {
        constexpr int kWaitMs = 2000;
        if (fd_ < 0 || (connect(fd_, address, length) != 0 && errno != EINPROGRESS)) {
            return errno;
        }
        pollfd writable{fd_, POLLOUT, 0};
        if (poll(&writable, 1, kWaitMs) <= 0) {
            return ETIMEDOUT;
        }
        int error = 0;
        socklen_t size = sizeof(error);
        getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        return error;
    }

private:
    int fd_;
};

/// @return "" where somebody accepts connections there
std::string why_unreachable(const Endpoint& where) {
    if (where.kind == Endpoint::Kind::Unix) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, where.path.c_str(), sizeof(address.sun_path) - 1);
        const int error = Socket{AF_UNIX}.connect_to(reinterpret_cast<const sockaddr*>(&address),
                                                     sizeof(address));
        return error == 0 ? "" : because_of(error);
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failed =
        getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found);
    if (failed != 0) {
        return gai_strerror(failed);
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses{found, &freeaddrinfo};
    int error = ENOENT;
    for (const addrinfo* at = addresses.get(); at != nullptr && error != 0; at = at->ai_next) {
        error = Socket{at->ai_family}.connect_to(at->ai_addr, at->ai_addrlen);
    }
    return error == 0 ? "" : because_of(error);
}

/// Whether somebody listens there; what they say is for the health check of the running process.
void check_redis(const conf::CacheSettings& cache, DoctorChecks& checks) {
    if (cache.redis.empty()) {
        return;
    }
    const auto address = conf::parse_redis_url(cache.redis);
    if (!address.value) {
        checks.push_back({State::Finding, "redis", "cache.redis", address.problem});
        return;
    }
    const std::string why = why_unreachable(address.value->endpoint);
    checks.push_back({why.empty() ? State::Fine : State::Finding,
                      "redis",
                      address.value->endpoint.text(),
                      why.empty() ? "accepts connections" : "cannot be reached: " + why});
}

bool is_maintained(const conf::Config& config) {
    return config.maintenance.enabled || !config.maintenance.database.empty() ||
           !config.partitions.empty() || !config.aggregates.empty() ||
           !config.materialized_views.empty() || !config.tasks.empty();
}

void check_maintenance(const conf::Config& config,
                       const std::string& database,
                       DoctorChecks& checks) {
    const auto bad = [&checks](const maintenance::Problem& problem) {
        checks.push_back({State::Finding, "maintenance", "login", problem.line()});
    };
    if (!is_maintained(config)) {
        checks.push_back({State::Note, "maintenance", "", "no maintenance is configured"});
        return;
    }
    const auto options = maintenance::connect_options(config, database);
    if (!options) {
        return bad(options.error());
    }
    auto connection = maintenance::Connection::open(*options);
    if (!connection) {
        return bad(connection.error());
    }
    auto found = maintenance::check_privileges(*connection, config);
    if (!found) {
        return bad(found.error());
    }
    append(checks, std::move(*found));
}

maintenance::Report report_of(const DoctorChecks& checks) {
    maintenance::Report report;
    report.columns = {{"state"}, {"area"}, {"subject"}, {"text"}, {"fix"}};
    for (const DoctorCheck& check : checks) {
        report.rows.push_back({std::string{name_of(check.state)},
                               check.area,
                               check.subject,
                               check.text,
                               check.fix.empty() ? std::nullopt : std::optional{check.fix}});
    }
    return report;
}

int status_of(const DoctorChecks& checks) {
    State worst = State::Fine;
    for (const DoctorCheck& check : checks) {
        worst = std::max(worst, check.state);
    }
    switch (worst) {
        case State::Fine:
        case State::Note: return kFine;
        case State::Finding: return kFindings;
        case State::Critical: return kCritical;
    }
    return kCritical;
}

}  // namespace

DoctorCommand::DoctorCommand(CLI::App& app)
    : doctor_{app.add_subcommand(
          "doctor",
          "settings, servers, privileges and versions in one report, without secrets; exit 1 if "
          "something will not work as configured, 2 if Weir cannot work")} {
    add_place(*doctor_, arguments_);
    add_forms(*doctor_, arguments_);
}

int DoctorCommand::run() const {
    DoctorChecks checks{{State::Fine, "version", "weir", WEIR_VERSION}};
    const conf::ConfigPtr config = check_settings(arguments_.config_path, checks);
    if (config != nullptr) {
        append(checks, maintenance::check_members(*config));
        check_maintenance(*config, arguments_.database, checks);
        check_ledger(config->ledger, checks);
        check_redis(config->cache, checks);
    }
    print(report_of(checks), arguments_);
    return status_of(checks);
}

}  // namespace weir::proxy
