#include "admin/http_routes.hpp"

#include "admin/http_ledger.hpp"
#include "admin/metrics.hpp"
#include "base/crypto.hpp"

#include <future>
#include <memory>
#include <optional>

namespace weir::admin {

namespace {

constexpr std::string_view kApi = "/api/";

HttpAnswer plain(int status, std::string body) {
    return {status, "text/plain; charset=utf-8", std::move(body), ""};
}

HttpAnswer json(std::string body) {
    return {200, "application/json", std::move(body), ""};
}

HttpAnswer no_answer() {
    return plain(503, "the event loops did not answer in time\n");
}

/// @return nothing when the loops did not answer in time
std::optional<status::Snapshot> collect_within(status::StatusSource& source,
                                               std::chrono::milliseconds timeout) {
    // Shared: a late answer must find the promise, whoever is still there.
    auto promise = std::make_shared<std::promise<std::optional<status::Snapshot>>>();
    auto future = promise->get_future();
    source.collect(status::Detail::Pools,
                   [promise = std::move(promise)](status::Snapshot snapshot) {
                       promise->set_value(std::move(snapshot));
                   });
    if (future.wait_for(timeout) != std::future_status::ready) {
        return std::nullopt;
    }
    try {
        return future.get();
    } catch (const std::future_error&) {
        return std::nullopt;  // the process ends: the promise was dropped unkept
    }
}

/// Compares in time that tells nothing, not even the length.
bool is_same_secret(ByteView left, std::string_view right) {
    return crypto::equal_in_constant_time(crypto::sha256(left), crypto::sha256(as_bytes(right)));
}

}  // namespace

HttpRoutes::HttpRoutes(HttpSources sources,
                       HttpCredentials credentials,
                       std::chrono::milliseconds timeout)
    : sources_{std::move(sources)}, credentials_{std::move(credentials)}, timeout_{timeout} {}

HttpAnswer HttpRoutes::answer(const HttpRequest& request) const {
    if (request.method != "GET" && request.method != "HEAD") {
        HttpAnswer refusal = plain(405, "only GET and HEAD\n");
        refusal.extra_header = "Allow: GET, HEAD\r\n";
        return refusal;
    }
    // What a load balancer or container runtime asks needs no password.
    if (request.path == "/healthz") {
        return healthz();
    }
    if (request.path == "/readyz") {
        return readyz();
    }
    if (!is_allowed(request)) {
        HttpAnswer refusal = plain(401, "user and password needed\n");
        refusal.extra_header = "WWW-Authenticate: Basic realm=\"weir\", charset=\"UTF-8\"\r\n";
        return refusal;
    }
    if (request.path == "/metrics") {
        return looked_up([](const CommandInput& input) -> HttpAnswer {
            return {200, "text/plain; version=0.0.4; charset=utf-8", render_metrics(input), ""};
        });
    }
    if (request.path == "/api/health") {
        return looked_up([](const CommandInput& input) { return json(health_json(input)); });
    }
    if (request.path == "/api/cache") {
        return looked_up([](const CommandInput& input) { return json(cache_json(input)); });
    }
    if (request.path.starts_with(kApi) && is_listed(request.path.substr(kApi.size()))) {
        return list(request.path.substr(kApi.size()), request.parameters);
    }
    if (request.path.starts_with(kApi) && is_ledger_list(request.path.substr(kApi.size()))) {
        return ledger_list(request.path.substr(kApi.size()), request.parameters);
    }
    return plain(404,
                 "nothing here; there are /metrics, /healthz, /readyz, /api/cache, /api/health, "
                 "/api/jobs, /api/members, /api/partitions, /api/pools, /api/statements, "
                 "/api/slow, /api/errors and /api/events\n");
}

bool HttpRoutes::is_allowed(const HttpRequest& request) const {
    if (credentials_.user.empty()) {
        return true;
    }
    constexpr std::string_view kScheme = "basic ";
    const std::string_view header = request.authorization;
    for (std::size_t i = 0; i < kScheme.size(); ++i) {
        const char c = i < header.size() ? header[i] : '\0';
        if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != kScheme[i]) {
            return false;
        }
    }
    const auto given = crypto::base64_decode(header.substr(kScheme.size()));
    return given && is_same_secret(*given, credentials_.user + ":" + credentials_.password);
}

HttpAnswer HttpRoutes::looked_up(
    const std::function<HttpAnswer(const CommandInput& input)>& answer) const {
    const auto snapshot = collect_within(sources_.status, timeout_);
    if (!snapshot) {
        return no_answer();
    }
    const conf::ConfigPtr config = sources_.config();
    LedgerVisit ledger{sources_.ledger};
    return answer({*snapshot, *config, sources_.history, sources_.version, &ledger});
}

HttpAnswer HttpRoutes::list(std::string_view command,
                            const std::vector<HttpParameter>& parameters) const {
    return looked_up([&](const CommandInput& input) {
        ApiAnswer page = list_json(command, input, parameters);
        return page.problem.empty() ? json(std::move(page.json)) : plain(400, page.problem + "\n");
    });
}

HttpAnswer HttpRoutes::ledger_list(std::string_view name,
                                   const std::vector<HttpParameter>& parameters) const {
    LedgerVisit ledger{sources_.ledger};
    ApiAnswer page = ledger_list_json(name, ledger, parameters);
    if (!page.problem.empty()) {
        return plain(400, page.problem + "\n");
    }
    return ledger.problem().empty() ? json(std::move(page.json))
                                    : plain(503, ledger.problem() + "\n");
}

HttpAnswer HttpRoutes::healthz() const {
    return collect_within(sources_.status, timeout_) ? plain(200, "ok\n") : no_answer();
}

HttpAnswer HttpRoutes::readyz() const {
    const auto snapshot = collect_within(sources_.status, timeout_);
    if (!snapshot) {
        return no_answer();
    }
    std::string reasons;
    if (snapshot->draining) {
        reasons += "draining\n";
    }
    for (const std::string& reason : snapshot->not_ready) {
        reasons += reason + "\n";
    }
    return reasons.empty() ? plain(200, "ready\n") : plain(503, reasons);
}

}  // namespace weir::admin
