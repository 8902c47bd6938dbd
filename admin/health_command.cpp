#include "admin/health_command.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "policies/health.hpp"

#include <civetweb.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

namespace weir::admin {

namespace {

using Json = nlohmann::json;

constexpr int kTimeoutMs = 5000;
constexpr int kStatusOk = 200;
constexpr int kExitCritical = 2;
/// Of thousands of pools, each with a recommendation.
constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20U;

/// CivetWeb, for as long as it is needed.
class Library {
public:
    Library() { mg_init_library(0); }

    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
    Library(Library&&) = delete;
    Library& operator=(Library&&) = delete;

    ~Library() { mg_exit_library(); }
};

struct Closer {
    void operator()(mg_connection* connection) const { mg_close_connection(connection); }
};

using Connection = std::unique_ptr<mg_connection, Closer>;

/// Exactly one of the two is set.
struct Fetched {
    std::string body;
    std::string problem;
};

std::string request_of(const conf::HttpSettings& settings) {
    std::string request = "GET /api/health HTTP/1.1\r\nHost: " + settings.address->text() +
                          "\r\nConnection: close\r\n";
    if (!settings.user.empty()) {
        request += "Authorization: Basic " +
                   crypto::base64_encode(as_bytes(settings.user + ":" + settings.password)) +
                   "\r\n";
    }
    return request + "\r\n";
}

std::string read_body(mg_connection* connection) {
    constexpr std::size_t kPiece = 65536;
    std::string body;
    std::string piece(kPiece, '\0');
    while (body.size() < kAnswerBytesMax) {
        const int got = mg_read(connection, piece.data(), piece.size());
        if (got <= 0) {
            break;
        }
        body.append(piece, 0, static_cast<std::size_t>(got));
    }
    return body;
}

Fetched fetch(const conf::HttpSettings& settings) {
    const Library library;
    std::array<char, 256> why{};
    const Connection connection{mg_connect_client(
        settings.address->host.c_str(), settings.address->port, 0, why.data(), why.size())};
    if (connection == nullptr) {
        return {{}, why.data()};
    }
    const std::string request = request_of(settings);
    mg_write(connection.get(), request.data(), request.size());
    if (mg_get_response(connection.get(), why.data(), why.size(), kTimeoutMs) < 0) {
        return {{}, std::string{"no answer: "} + why.data()};
    }
    const int status = mg_get_response_info(connection.get())->status_code;
    std::string body = read_body(connection.get());
    if (status != kStatusOk) {
        return {{}, "answered with " + std::to_string(status) + ": " + body};
    }
    return {std::move(body), {}};
}

/// @return 2 for what it does not know
int exit_status_of(const std::string& health) {
    using policies::Health;
    for (const Health known : {Health::Healthy, Health::Degraded}) {
        if (health == policies::name_of(known)) {
            return static_cast<int>(known);
        }
    }
    return kExitCritical;
}

std::string text_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

void print_check(const Json& check, std::ostream& out) {
    constexpr std::size_t kStatusColumn = 10;
    std::string line = text_at(check, "status");
    line.resize(std::max(line.size(), kStatusColumn), ' ');
    out << line << text_at(check, "check");
    for (const auto& [key, before] : {std::pair{"subject", " "}, std::pair{"detail", ": "}}) {
        if (const std::string text = text_at(check, key); !text.empty()) {
            out << before << text;
        }
    }
    out << '\n';
    if (const std::string text = text_at(check, "recommendation"); !text.empty()) {
        out << std::string(kStatusColumn, ' ') << "-> " << text << '\n';
    }
}

}  // namespace

int print_health(const conf::HttpSettings& settings,
                 HealthForm form,
                 std::ostream& out,
                 std::ostream& problems) {
    if (!settings.address) {
        problems << "http.address is not set: that is where health is asked for\n";
        return kExitCritical;
    }
    const Fetched fetched = fetch(settings);
    const Json health = Json::parse(fetched.body, nullptr, /*allow_exceptions=*/false);
    if (!fetched.problem.empty() || !health.is_object()) {
        problems << settings.address->text() << ": "
                 << (fetched.problem.empty() ? "answered with no JSON" : fetched.problem) << '\n';
        return kExitCritical;
    }
    if (form == HealthForm::Json) {
        out << fetched.body;
        return exit_status_of(text_at(health, "overall"));
    }
    out << text_at(health, "overall") << '\n';
    for (const Json& check : health.value("checks", Json::array())) {
        print_check(check, out);
    }
    return exit_status_of(text_at(health, "overall"));
}

}  // namespace weir::admin
