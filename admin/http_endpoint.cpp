#include "admin/http_endpoint.hpp"

#include "base/log.hpp"

#include <civetweb.h>

#include <array>
#include <atomic>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace weir::admin {

namespace {

/// A scraper and a prober at once; more are queued by CivetWeb.
constexpr const char* kThreads = "2";
/// For reading a request and for writing an answer: who is slower than this is cut off.
constexpr const char* kRequestTimeoutMs = "5000";
/// No request of ours has a body or long headers.
constexpr const char* kRequestBytesMax = "16384";

const char* reason_of(int status) {
    switch (status) {
        case 200: return "OK";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 503: return "Service Unavailable";
        default: return "Unknown";
    }
}

std::string_view or_empty(const char* text) {
    return text == nullptr ? std::string_view{} : std::string_view{text};
}

/// More than anybody needs; the last of them, should there be more, has the rest in it.
constexpr std::size_t kParametersMax = 8;

/// @param query as it came, "" = none
std::vector<HttpParameter> parameters_of(std::string_view query) {
    std::string text{query};  // is changed by being split
    std::array<mg_header, kParametersMax> fields{};
    const int count =
        query.empty() ? 0 : mg_split_form_urlencoded(text.data(), fields.data(), fields.size());
    std::vector<HttpParameter> parameters;
    for (int i = 0; i < count; ++i) {
        const mg_header& field = fields.at(static_cast<std::size_t>(i));
        parameters.emplace_back(or_empty(field.name), or_empty(field.value));
    }
    return parameters;
}

void write_answer(mg_connection* connection, const HttpAnswer& answer, std::string_view method) {
    std::string text =
        "HTTP/1.1 " + std::to_string(answer.status) + " " + reason_of(answer.status) + "\r\n";
    text += "Content-Type: " + answer.content_type + "\r\n";
    text += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
    text += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n";
    text += answer.extra_header + "\r\n";
    if (method != "HEAD") {
        text += answer.body;
    }
    mg_write(connection, text.data(), text.size());
}

/// Runs before anything CivetWeb would do itself: every request is ours, so it never touches a
/// file.
int on_request_trampoline(mg_connection* connection) noexcept {
    const mg_request_info* info = mg_get_request_info(connection);
    const auto* routes = static_cast<const HttpRoutes*>(info->user_data);
    const HttpRequest request{.method = or_empty(info->request_method),
                              .path = or_empty(info->local_uri),
                              .authorization = or_empty(mg_get_header(connection, "Authorization")),
                              .parameters = parameters_of(or_empty(info->query_string))};
    const HttpAnswer answer = routes->answer(request);
    write_answer(connection, answer, request.method);
    return answer.status;
}

int on_log_trampoline(const mg_connection* /*connection*/, const char* message) noexcept {
    static thread_local log::RateLimit limit;
    if (const std::int64_t held_back = limit.admit(); held_back >= 0) {
        log::warn("http_server", {{"text", or_empty(message)}, {"held_back", held_back}});
    }
    return 1;  // CivetWeb need not print it
}

/// "127.0.0.1:9127", "[::1]:9127": an address without one of these would be bound on every
/// interface.
std::string listening_port(const Endpoint& address) {
    const bool is_v6 = address.host.find(':') != std::string::npos;
    return (is_v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

std::uint16_t bound_port(const mg_context* context) {
    std::array<mg_server_port, 1> ports{};
    const int count = mg_get_server_ports(context, static_cast<int>(ports.size()), ports.data());
    return count < 1 ? std::uint16_t{0} : static_cast<std::uint16_t>(ports[0].port);
}

/// CivetWeb looks whether it should stop every two seconds, or when somebody connects: so somebody
/// does.
void stop_soon(mg_context* context, const std::string& host) {
    static constexpr int kNudgesMax = 40;
    static constexpr std::chrono::milliseconds kBetweenNudges{5};
    const int port = bound_port(context);
    std::atomic<bool> has_stopped{false};
    std::thread nudger{[&has_stopped, &host, port] {
        for (int i = 0; i < kNudgesMax && !has_stopped; ++i) {
            std::array<char, 64> problem{};
            if (auto* connection =
                    mg_connect_client(host.c_str(), port, 0, problem.data(), problem.size())) {
                mg_close_connection(connection);
            }
            std::this_thread::sleep_for(kBetweenNudges);
        }
    }};
    mg_stop(context);
    has_stopped = true;
    nudger.join();
}

}  // namespace

struct HttpEndpoint::Server {
    HttpRoutes routes;
    std::string host;
    mg_callbacks callbacks{};
    mg_context* context = nullptr;

    Server(const HttpOptions& options, HttpSources sources)
        : routes{std::move(sources), options.credentials, options.answer_timeout},
          host{options.address.host} {
        mg_init_library(0);  // counted, like its end
        callbacks.begin_request = on_request_trampoline;
        callbacks.log_message = on_log_trampoline;
    }

    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    Server(Server&&) = delete;
    Server& operator=(Server&&) = delete;

    ~Server() {
        if (context != nullptr) {
            stop_soon(context, host);
        }
        mg_exit_library();
    }
};

HttpStart HttpEndpoint::start(const HttpOptions& options, HttpSources sources) {
    if (options.address.kind != Endpoint::Kind::Tcp || options.address.host.empty()) {
        return {nullptr,
                "http.address: " + options.address.text() + ": only host:port is possible here"};
    }
    auto server = std::make_unique<Server>(options, std::move(sources));
    const std::string port = listening_port(options.address);
    std::array<const char*, 13> settings{"listening_ports",
                                         port.c_str(),
                                         "num_threads",
                                         kThreads,
                                         "request_timeout_ms",
                                         kRequestTimeoutMs,
                                         "max_request_size",
                                         kRequestBytesMax,
                                         "enable_directory_listing",
                                         "no",
                                         "enable_keep_alive",
                                         "no",
                                         nullptr};
    std::array<char, 256> problem{};
    mg_init_data init{&server->callbacks, &server->routes, settings.data()};
    mg_error_data error{nullptr, problem.data(), problem.size()};
    server->context = mg_start2(&init, &error);
    if (server->context == nullptr) {
        return {nullptr,
                "http.address: cannot listen on " + options.address.text() + ": " + problem.data()};
    }
    return {std::unique_ptr<HttpEndpoint>{new HttpEndpoint{std::move(server)}}, ""};
}

HttpEndpoint::HttpEndpoint(std::unique_ptr<Server> server) : server_{std::move(server)} {}

HttpEndpoint::~HttpEndpoint() = default;

std::uint16_t HttpEndpoint::port() const {
    return bound_port(server_->context);
}

}  // namespace weir::admin
