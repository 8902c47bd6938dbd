#pragma once

#include "admin/http_api.hpp"
#include "admin/stats_history.hpp"
#include "base/status.hpp"
#include "conf/model.hpp"
#include "ledger/ledger.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::admin {

/// Who may read what; `[http] user` and `password`.
struct HttpCredentials {
    std::string user;  ///< "" = everybody
    std::string password;
};

struct HttpRequest {
    std::string_view method;
    std::string_view path;                  ///< without query
    std::string_view authorization;         ///< the header, "" = none
    std::vector<HttpParameter> parameters;  ///< of the query
};

struct HttpAnswer {
    int status = 200;
    std::string content_type;
    std::string body;
    std::string extra_header;  ///< "" or one line with its CRLF
};

/// What answers are made of. All of it outlives who has this.
struct HttpSources {
    status::StatusSource& status;  ///< may drop or delay answers
    const StatsHistory& history;
    std::function<conf::ConfigPtr()> config;  ///< in force; any thread
    std::string version;                      ///< Weir's
    ledger::Ledger* ledger = nullptr;         ///< null = off
};

/// What Weir answers over HTTP, without HTTP: /metrics, /healthz, /readyz, /api/…, else 404.
/// Thread: any; blocks up to the timeout while a snapshot is gathered, and while the ledger looks
/// for an answer.
class HttpRoutes {
public:
    /// @param sources may answer past the end of this
    /// @param timeout how long the event loops have for a snapshot
    HttpRoutes(HttpSources sources, HttpCredentials credentials, std::chrono::milliseconds timeout);

    [[nodiscard]] HttpAnswer answer(const HttpRequest& request) const;

private:
    [[nodiscard]] bool is_allowed(const HttpRequest& request) const;
    /// One that looks at everything.
    [[nodiscard]] HttpAnswer looked_up(
        const std::function<HttpAnswer(const CommandInput& input)>& answer) const;
    [[nodiscard]] HttpAnswer list(std::string_view command,
                                  const std::vector<HttpParameter>& parameters) const;
    [[nodiscard]] HttpAnswer ledger_list(std::string_view name,
                                         const std::vector<HttpParameter>& parameters) const;
    [[nodiscard]] HttpAnswer healthz() const;
    [[nodiscard]] HttpAnswer readyz() const;

    HttpSources sources_;
    HttpCredentials credentials_;
    std::chrono::milliseconds timeout_;
};

}  // namespace weir::admin
