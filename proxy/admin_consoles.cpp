#include "proxy/admin_consoles.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace weir::proxy {

namespace {

/// admin::Console behind the proxy's interface.
class AdminConsole final : public Console {
public:
    AdminConsole(const admin::ConsoleContext& context, admin::Role role, ConsoleClient client)
        : console_{context,
                   role,
                   {std::move(client.post), std::move(client.send), std::move(client.on_ready)},
                   {std::move(client.user), std::move(client.address)}} {}

    void write_welcome(ByteWriter& writer) override { console_.write_welcome(writer); }

    void on_message(protocol::FrontendMessage type, ByteView body) override {
        console_.on_message(type, body);
    }

    [[nodiscard]] bool busy() const override { return console_.busy(); }

    [[nodiscard]] TimePoint deadline() const override { return console_.deadline(); }

    void on_time(TimePoint now) override { console_.on_time(now); }

    void cancel() override { console_.cancel(); }

    [[nodiscard]] bool wants_close() const override { return console_.wants_close(); }

private:
    admin::Console console_;
};

std::optional<admin::Role> role_of(const conf::AdminSettings& settings, const std::string& user) {
    const auto has = [&user](const std::vector<std::string>& names) {
        return std::find(names.begin(), names.end(), user) != names.end();
    };
    if (has(settings.admins)) {
        return admin::Role::Admin;
    }
    return has(settings.viewers) ? std::optional{admin::Role::Viewer} : std::nullopt;
}

}  // namespace

AdminConsoles::AdminConsoles(Server& server,
                             admin::StatsHistory& history,
                             std::string version,
                             ledger::Ledger* ledger)
    : server_{server},
      context_{server,
               history,
               server.controller(),
               [&server] { return server.config(); },
               [&server](std::function<void()> work) { return server.run_aside(std::move(work)); },
               std::move(version),
               ledger} {}

std::unique_ptr<Console> AdminConsoles::open(ConsoleClient client) {
    const auto role = client.proof == ConsoleClient::Proof::SameProcessOwner
                          ? std::optional{admin::Role::Admin}
                          : role_of(server_.config()->admin, client.user);
    if (!role) {
        return nullptr;
    }
    return std::make_unique<AdminConsole>(context_, *role, std::move(client));
}

}  // namespace weir::proxy
