#include "admin/health_command.hpp"

#include "admin/http_fetch.hpp"
#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "policies/health.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace weir::admin {

namespace {

using Json = nlohmann::json;

/// Of asking, so that what monitors Weir gets its answer before it gives up.
constexpr std::chrono::seconds kLimit{5};
constexpr int kStatusOk = 200;
constexpr int kExitCritical = 2;

/// Exactly one of the two is set.
struct Fetched {
    std::string body;
    std::string problem;
};

std::string login_of(const conf::HttpSettings& settings) {
    return settings.user.empty()
               ? std::string{}
               : "Authorization: Basic " +
                     crypto::base64_encode(as_bytes(settings.user + ":" + settings.password)) +
                     "\r\n";
}

Fetched fetch(const conf::HttpSettings& settings) {
    HttpReply reply = http_get(*settings.address, "/api/health", login_of(settings), kLimit);
    if (reply.problem.empty() && reply.status != kStatusOk) {
        reply.problem = "answered with " + std::to_string(reply.status) + ": " + reply.body;
    }
    return reply.problem.empty() ? Fetched{std::move(reply.body), {}}
                                 : Fetched{{}, std::move(reply.problem)};
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
