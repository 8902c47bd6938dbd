#include "admin/http_endpoint.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <thread>

#include "fake_status.hpp"

namespace weir::admin {

using namespace std::chrono_literals;
using test::FakeStatus;

namespace {

HttpOptions options() {
    HttpOptions result;
    result.address = {.kind = Endpoint::Kind::Tcp, .host = "127.0.0.1", .port = 0, .path = ""};
    return result;
}

const StatsHistory kHistory;

/// A process with nothing configured but what is needed.
HttpSources sources(status::StatusSource& status) {
    const auto config = std::make_shared<const conf::Config>();
    return {status, kHistory, [config] { return config; }, "1.2.3"};
}

/// Sends text as it is and @return everything until the server closes.
std::string talk(std::uint16_t port, std::string_view text) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(::send(fd, text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
    std::string answer;
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
        answer.append(buffer.data(), static_cast<std::size_t>(got));
    }
    ::close(fd);
    return answer;
}

std::string get(const HttpEndpoint& endpoint,
                const std::string& path,
                const std::string& headers = "") {
    return talk(endpoint.port(), "GET " + path + " HTTP/1.1\r\nHost: weir\r\n" + headers + "\r\n");
}

bool starts_with(const std::string& text, std::string_view head) {
    return text.starts_with(head);
}

std::string basic(std::string_view user_and_password) {
    return "Authorization: Basic " + crypto::base64_encode(as_bytes(user_and_password)) + "\r\n";
}

}  // namespace

TEST_SUITE("admin http endpoint") {
    TEST_CASE("endpoint serves metrics, health and readiness") {
        FakeStatus status;
        status.snapshot = test::sample_snapshot();
        const HttpStart http = HttpEndpoint::start(options(), sources(status));
        REQUIRE_MESSAGE(http.endpoint != nullptr, http.problem);
        CHECK(http.endpoint->port() != 0);

        const std::string metrics = get(*http.endpoint, "/metrics");
        CHECK(starts_with(metrics, "HTTP/1.1 200 OK\r\n"));
        CHECK(metrics.find("Content-Type: text/plain; version=0.0.4") != std::string::npos);
        CHECK(metrics.find("weir_build_info{version=\"1.2.3\"} 1") != std::string::npos);
        CHECK(starts_with(get(*http.endpoint, "/metrics?x=y"), "HTTP/1.1 200 "));
        CHECK(get(*http.endpoint, "/healthz").ends_with("\r\n\r\nok\n"));
        CHECK(get(*http.endpoint, "/readyz").ends_with("\r\n\r\nready\n"));
    }

    TEST_CASE("everything else is not found, whatever the path tries") {
        FakeStatus status;
        const HttpStart http = HttpEndpoint::start(options(), sources(status));
        REQUIRE(http.endpoint != nullptr);
        for (const char* path : {"/",
                                 "/nothing",
                                 "/metrics/",
                                 "/metrics/x",
                                 "/api",
                                 "/api/",
                                 "/api/clients",
                                 "/api/fds",
                                 "/api/pools/",
                                 "/../../etc/passwd",
                                 "/%2e%2e/etc/passwd",
                                 "/etc/passwd",
                                 "/.htpasswd"}) {
            CAPTURE(path);
            CHECK(starts_with(get(*http.endpoint, path), "HTTP/1.1 404 "));
        }
        CHECK(
            starts_with(get(*http.endpoint, "/x", "Upgrade: websocket\r\nConnection: Upgrade\r\n"),
                        "HTTP/1.1 404 "));
    }

    TEST_CASE("pages are turned by what the page before says") {
        FakeStatus status;
        status.snapshot = test::sample_snapshot();
        const HttpStart http = HttpEndpoint::start(options(), sources(status));
        REQUIRE(http.endpoint != nullptr);
        const std::string all = get(*http.endpoint, "/api/pools");
        CHECK(starts_with(all, "HTTP/1.1 200 "));
        CHECK(all.find("Content-Type: application/json\r\n") != std::string::npos);
        CHECK(all.ends_with("\"next\":null}\n"));
        const std::string first = get(*http.endpoint, "/api/pools?limit=1");
        const std::size_t at = first.rfind("\"next\":\"");
        REQUIRE(at != std::string::npos);
        const std::string cursor = first.substr(at + 8, first.rfind('"') - at - 8);
        const std::string second =
            get(*http.endpoint, "/api/pools?cursor=" + cursor + "&limit=%31");  // escaped, too
        CHECK(second.find("\"user\":\"report\"") != std::string::npos);
        CHECK(second.find("\"user\":\"app\"") == std::string::npos);
        CHECK(second.ends_with("\"next\":null}\n"));
    }

    TEST_CASE("bad parameters are told") {
        FakeStatus status;
        const HttpStart http = HttpEndpoint::start(options(), sources(status));
        REQUIRE(http.endpoint != nullptr);
        for (const char* query : {"limit=0",
                                  "limit",
                                  "limit=-1",
                                  "limit=1001",
                                  "limit=1x",
                                  "limit=99999999999999999999",
                                  "limit=1&limit=1",
                                  "cursor=",
                                  "cursor",
                                  "cursor=%00",
                                  "cursor=x",
                                  "cursor=YQ",
                                  "cursor=YQBi==",
                                  "page=2",
                                  "=1",
                                  "a&b&c&d&e&f&g&h&i&j&k&l"}) {
            CAPTURE(query);
            const std::string answer = get(*http.endpoint, std::string{"/api/pools?"} + query);
            CHECK(starts_with(answer, "HTTP/1.1 400 Bad Request\r\n"));
            CHECK(answer.find("accepted: ") != std::string::npos);
        }
        CHECK(starts_with(get(*http.endpoint, "/api/pools?"), "HTTP/1.1 200 "));
        CHECK(starts_with(get(*http.endpoint, "/api/pools?cursor=YQBi"), "HTTP/1.1 200 "));
    }

    TEST_CASE("only GET and HEAD are served") {
        FakeStatus status;
        const HttpStart http = HttpEndpoint::start(options(), sources(status));
        REQUIRE(http.endpoint != nullptr);
        for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
            CAPTURE(method);
            const std::string answer = talk(
                http.endpoint->port(),
                std::string{method} + " /metrics HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n");
            CHECK(starts_with(answer, "HTTP/1.1 405 "));
            CHECK(answer.find("Allow: GET, HEAD\r\n") != std::string::npos);
        }
        const std::string head =
            talk(http.endpoint->port(), "HEAD /healthz HTTP/1.1\r\nHost: w\r\n\r\n");
        CHECK(starts_with(head, "HTTP/1.1 200 "));
        CHECK(head.find("Content-Length: 3\r\n") != std::string::npos);
        CHECK(head.ends_with("\r\n\r\n"));
    }

    TEST_CASE("a password guards everything but health and readiness") {
        FakeStatus status;
        HttpOptions guarded = options();
        guarded.credentials = {"watcher", "pen:cil"};
        const HttpStart http = HttpEndpoint::start(guarded, sources(status));
        REQUIRE(http.endpoint != nullptr);
        const HttpEndpoint& endpoint = *http.endpoint;
        for (const char* path : {"/api/health", "/api/members", "/api/pools", "/api/nothing"}) {
            CAPTURE(path);
            CHECK(starts_with(get(endpoint, path), "HTTP/1.1 401 "));
        }
        CHECK(starts_with(get(endpoint, "/api/pools", basic("watcher:pen:cil")), "HTTP/1.1 200 "));
        CHECK(starts_with(get(endpoint, "/healthz"), "HTTP/1.1 200 "));
        CHECK(starts_with(get(endpoint, "/readyz"), "HTTP/1.1 200 "));
        CHECK(starts_with(get(endpoint, "/metrics", basic("watcher:pen:cil")), "HTTP/1.1 200 "));
        CHECK(starts_with(get(endpoint, "/nothing", basic("watcher:pen:cil")), "HTTP/1.1 404 "));
        for (const std::string& header : {std::string{},
                                          basic("watcher:pencil"),
                                          basic("watcher:pen:cil2"),
                                          basic(":"),
                                          basic(""),
                                          std::string{"Authorization: Basic\r\n"},
                                          std::string{"Authorization: Basic ####\r\n"},
                                          std::string{"Authorization: Bearer x\r\n"}}) {
            CAPTURE(header);
            const std::string answer = get(endpoint, "/metrics", header);
            CHECK(starts_with(answer, "HTTP/1.1 401 "));
            CHECK(answer.find("WWW-Authenticate: Basic realm=\"weir\"") != std::string::npos);
            CHECK(starts_with(get(endpoint, "/nothing", header), "HTTP/1.1 401 "));
        }
    }

    TEST_CASE("readiness tells why not") {
        FakeStatus status;
        status.snapshot.draining = true;
        status.snapshot.not_ready = {"shop: no server connection"};
        const HttpStart http = HttpEndpoint::start(options(), sources(status));
        REQUIRE(http.endpoint != nullptr);
        const std::string answer = get(*http.endpoint, "/readyz");
        CHECK(starts_with(answer, "HTTP/1.1 503 "));
        CHECK(answer.ends_with("\r\n\r\ndraining\nshop: no server connection\n"));
        CHECK(starts_with(get(*http.endpoint, "/healthz"), "HTTP/1.1 200 "));
    }

    TEST_CASE("loops that do not answer in time are unhealthy") {
        FakeStatus status;
        SUBCASE("held") {
            status.mode = FakeStatus::Mode::Held;
        }
        SUBCASE("dropped") {
            status.mode = FakeStatus::Mode::Dropped;
        }
        HttpOptions hasty = options();
        hasty.answer_timeout = 50ms;
        const HttpStart http = HttpEndpoint::start(hasty, sources(status));
        REQUIRE(http.endpoint != nullptr);
        for (const char* path : {"/healthz", "/readyz", "/metrics", "/api/health", "/api/pools"}) {
            CAPTURE(path);
            CHECK(starts_with(get(*http.endpoint, path), "HTTP/1.1 503 "));
        }
        status.answer_held();  // late: nobody waits any more
    }

    TEST_CASE("the endpoint stops while a request waits for an answer that never comes") {
        FakeStatus status;
        status.mode = FakeStatus::Mode::Held;
        HttpOptions patient = options();
        patient.answer_timeout = 500ms;
        HttpStart http = HttpEndpoint::start(patient, sources(status));
        REQUIRE(http.endpoint != nullptr);
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(http.endpoint->port());
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
        constexpr std::string_view kRequest = "GET /healthz HTTP/1.1\r\nHost: w\r\n\r\n";
        REQUIRE(::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) > 0);
        while (status.asked().empty()) {
            std::this_thread::yield();
        }
        const auto begin = std::chrono::steady_clock::now();
        http.endpoint.reset();
        CHECK(std::chrono::steady_clock::now() - begin < 5s);
        ::close(fd);
        status.answer_held();
    }

    TEST_CASE("bytes that are not HTTP harm nobody") {
        FakeStatus status;
        const HttpStart http = HttpEndpoint::start(options(), sources(status));
        REQUIRE(http.endpoint != nullptr);
        for (const std::string& text : {std::string{"\r\n\r\n"},
                                        std::string{"NONSENSE\r\n\r\n"},
                                        std::string{"GET /metrics HTTP/9.9\r\n\r\n"}}) {
            CHECK_FALSE(starts_with(talk(http.endpoint->port(), text), "HTTP/1.1 200 "));
        }
        CHECK(starts_with(get(*http.endpoint, "/healthz"), "HTTP/1.1 200 "));
    }

    TEST_CASE("an address that cannot be had is told") {
        FakeStatus status;
        const HttpStart first = HttpEndpoint::start(options(), sources(status));
        REQUIRE(first.endpoint != nullptr);
        HttpOptions same = options();
        same.address.port = first.endpoint->port();
        const HttpStart second = HttpEndpoint::start(same, sources(status));
        CHECK(second.endpoint == nullptr);
        CHECK(second.problem.find("cannot listen on 127.0.0.1:") != std::string::npos);
        HttpOptions unix_socket = options();
        unix_socket.address = {.kind = Endpoint::Kind::Unix, .host = "", .port = 0, .path = "/x"};
        CHECK(HttpEndpoint::start(unix_socket, sources(status)).endpoint == nullptr);
        HttpOptions anywhere = options();
        anywhere.address.host = "";
        CHECK(HttpEndpoint::start(anywhere, sources(status)).endpoint == nullptr);
    }
}

}  // namespace weir::admin
