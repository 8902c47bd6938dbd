#pragma once

#include "admin/http_routes.hpp"
#include "base/endpoint.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace weir::admin {

struct HttpOptions {
    Endpoint address;  ///< TCP; port 0 = any free one
    HttpCredentials credentials;
    std::chrono::milliseconds answer_timeout{2000};
};

class HttpEndpoint;

/// Exactly one of the two is set.
struct HttpStart {
    std::unique_ptr<HttpEndpoint> endpoint;
    std::string problem;  ///< why there is none, for a person
};

/// The HTTP server: HttpRoutes behind CivetWeb, on two threads of CivetWeb's. No files, no
/// keep-alive.
///
/// Owned by the main program. The destructor closes the port and waits for requests under way,
/// which is a few seconds at most, even when the StatusSource never answers.
class HttpEndpoint {
public:
    /// Binds exactly to the address given and starts to serve.
    /// @param sources outlive the endpoint
    /// @thread any; blocks for a name look-up when the address is a name
    [[nodiscard]] static HttpStart start(const HttpOptions& options, HttpSources sources);

    HttpEndpoint(const HttpEndpoint&) = delete;
    HttpEndpoint& operator=(const HttpEndpoint&) = delete;
    HttpEndpoint(HttpEndpoint&&) = delete;
    HttpEndpoint& operator=(HttpEndpoint&&) = delete;
    ~HttpEndpoint();

    /// @return the port that is bound
    [[nodiscard]] std::uint16_t port() const;

private:
    struct Server;  ///< CivetWeb's context and the routes it calls

    explicit HttpEndpoint(std::unique_ptr<Server> server);

    std::unique_ptr<Server> server_;
};

}  // namespace weir::admin
