#pragma once

#include "base/status.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace weir::admin {

/// Who may read what; `[http] user` and `password`.
struct HttpCredentials {
    std::string user;  ///< "" = everybody
    std::string password;
};

struct HttpRequest {
    std::string_view method;
    std::string_view path;           ///< without query
    std::string_view authorization;  ///< the header, "" = none
};

struct HttpAnswer {
    int status = 200;
    std::string content_type;
    std::string body;
    std::string extra_header;  ///< "" or one line with its CRLF
};

/// What Weir answers over HTTP, without HTTP: /metrics, /healthz, /readyz, else 404. Thread: any;
/// blocks up to the timeout while a snapshot is gathered.
class HttpRoutes {
public:
    /// @param source outlives this; may drop or delay answers, also past the end of this
    /// @param version Weir's
    /// @param timeout how long the event loops have for a snapshot
    HttpRoutes(status::StatusSource& source,
               HttpCredentials credentials,
               std::string version,
               std::chrono::milliseconds timeout);

    [[nodiscard]] HttpAnswer answer(const HttpRequest& request) const;

private:
    [[nodiscard]] bool is_allowed(const HttpRequest& request) const;
    [[nodiscard]] HttpAnswer metrics() const;
    [[nodiscard]] HttpAnswer healthz() const;
    [[nodiscard]] HttpAnswer readyz() const;

    status::StatusSource& source_;
    HttpCredentials credentials_;
    std::string version_;
    std::chrono::milliseconds timeout_;
};

}  // namespace weir::admin
