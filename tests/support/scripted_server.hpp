#pragma once

#include "base/bytes.hpp"
#include "net/listener.hpp"
#include "net/stream.hpp"
#include "protocol/message_type.hpp"
#include "protocol/message_writer.hpp"
#include "tests/support/connect_support.hpp"
#include "tests/support/loop_support.hpp"
#include "tests/support/server_words.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A PostgreSQL server in the test's hands: it lives on the test's loop and says what it is told.
namespace weir::test {

/// What a client of the server has sent: startup messages have type 0.
struct Request {
    char type = 0;
    std::string body;

    /// @return the body up to its first zero byte: what a Query asks
    [[nodiscard]] std::string text() const { return body.substr(0, body.find('\0')); }
};

class ScriptedServer;

/// One connection as the server sees it.
class ServerConnection final : private net::StreamListener {
public:
    ServerConnection(net::EventLoop& loop, net::Fd fd, ScriptedServer& server, std::uint32_t id)
        : process_id{id}, server_{server}, stream_{loop, std::move(fd), *this} {}

    void say(std::string_view bytes) { stream_.write(as_bytes(bytes)); }

    void hang_up() {
        stream_.close();
        is_over = true;
    }

    /// @return whether everything said has been read, or nobody is there to read it
    [[nodiscard]] bool is_heard() const {
        int unread = 0;
        return is_over || ::ioctl(stream_.fd(), SIOCOUTQ, &unread) != 0 || unread == 0;
    }

    [[nodiscard]] bool has_asked(std::string_view sql) const {
        return std::any_of(requests.begin(), requests.end(), [sql](const Request& request) {
            return request.type == 'Q' && request.text() == sql;
        });
    }

    [[nodiscard]] bool has_sent(char type) const {
        return std::any_of(requests.begin(), requests.end(), [type](const Request& request) {
            return request.type == type;
        });
    }

    /// Says what PostgreSQL would. A Query "SLOW" runs until it is cancelled, "DEAF" for ever.
    void answer(const Request& request);

    const std::uint32_t process_id;
    std::vector<Request> requests;
    TransactionStatus status = TransactionStatus::Idle;
    bool is_logged_in = false;
    bool is_running = false;  ///< a statement that does not end by itself
    bool is_over = false;

private:
    std::size_t on_bytes(ByteView bytes) override;

    void on_drained() override {}

    void on_closed(const Error& /*reason*/) override { is_over = true; }

    void on_startup(ByteView body);
    void answer_query(const std::string& sql);

    ScriptedServer& server_;
    net::Stream stream_;
};

/// Listens at a unix socket of its own and behaves like PostgreSQL unless a test says otherwise.
class ScriptedServer {
public:
    ScriptedServer(net::EventLoop& loop, std::string path) : loop_{loop}, path_{std::move(path)} {
        open();
    }

    void open() {
        std::string problem;
        listener_ = net::Listener::open(
            loop_,
            endpoint(),
            {},
            [this](net::Fd fd) {
                if (on_accept && on_accept(fd)) {
                    return;
                }
                const auto id = static_cast<std::uint32_t>(1000 + connections.size());
                connections.push_back(
                    std::make_unique<ServerConnection>(loop_, std::move(fd), *this, id));
            },
            problem);
        CAPTURE(problem);
        REQUIRE(listener_ != nullptr);
    }

    /// Nobody listens any more; connections go on.
    void shut() { listener_.reset(); }

    [[nodiscard]] Endpoint endpoint() const { return unix_at(path_); }

    [[nodiscard]] ServerConnection& at(std::uint32_t process_id) {
        return *connections.at(process_id - 1000);
    }

    /// @return how many connections are logged in and not over
    [[nodiscard]] std::size_t open_count() const {
        return static_cast<std::size_t>(
            std::count_if(connections.begin(), connections.end(), [](const auto& connection) {
                return connection->is_logged_in && !connection->is_over;
            }));
    }

    [[nodiscard]] std::size_t login_count() const {
        return static_cast<std::size_t>(
            std::count_if(connections.begin(), connections.end(), [](const auto& connection) {
                return connection->is_logged_in;
            }));
    }

    /// Says it in these pieces, each read by the other end before the next is said.
    [[nodiscard]] bool say_in_pieces(ServerConnection& to, const std::vector<std::string>& pieces) {
        for (const std::string& piece : pieces) {
            to.say(piece);
            if (!turn_until(loop_, [&to] { return to.is_heard(); })) {
                return false;
            }
        }
        return true;
    }

    /// What a login is answered with, in one piece.
    [[nodiscard]] static std::string welcome(std::uint32_t process_id) {
        return said([&](ByteWriter& writer) {
            protocol::write_authentication_ok(writer);
            protocol::write_parameter_status(writer, "server_version", "15.0");
            protocol::write_parameter_status(writer, "TimeZone", "UTC");
            protocol::write_backend_key_data(writer, process_id, as_bytes("key!"));
            protocol::write_ready_for_query(writer, TransactionStatus::Idle);
        });
    }

    /// @return whether the test has taken the socket for itself
    std::function<bool(net::Fd&)> on_accept;
    std::function<void(ServerConnection&)> on_login = [](ServerConnection& connection) {
        connection.say(welcome(connection.process_id));
    };
    std::function<void(ServerConnection&, const Request&)> on_request =
        [](ServerConnection& connection, const Request& request) { connection.answer(request); };
    /// @param canceller the connection the request came on; `target` is cancelled already
    std::function<void(ServerConnection& canceller)> on_cancel = [](ServerConnection& canceller) {
        canceller.hang_up();
    };
    std::vector<std::unique_ptr<ServerConnection>> connections;
    std::vector<std::uint32_t> cancelled;  ///< process ids

private:
    friend class ServerConnection;

    net::EventLoop& loop_;
    std::string path_;
    std::unique_ptr<net::Listener> listener_;
};

inline std::size_t ServerConnection::on_bytes(ByteView bytes) {
    std::size_t used = 0;
    while (!is_over) {
        const ByteView rest = bytes.subspan(used);
        const bool is_startup = requests.empty();
        const std::size_t type_bytes = is_startup ? 0 : 1;
        ByteReader reader{rest};
        static_cast<void>(reader.take(type_bytes));
        const auto length = reader.u32();
        if (!length || rest.size() < type_bytes + *length) {
            break;
        }
        used += type_bytes + *length;
        const ByteView body = rest.subspan(type_bytes + 4, *length - 4);
        const char type = is_startup ? '\0' : static_cast<char>(rest[0]);
        requests.push_back({type, std::string{as_text(body)}});
        if (is_startup) {
            on_startup(body);
        } else {
            server_.on_request(*this, Request{requests.back()});
        }
    }
    return used;
}

inline void ServerConnection::on_startup(ByteView body) {
    constexpr std::uint32_t kCancelCode = 80877102;
    ByteReader reader{body};
    if (reader.u32() != kCancelCode) {
        is_logged_in = true;
        server_.on_login(*this);
        return;
    }
    const std::uint32_t target = reader.u32().value_or(0);
    CHECK(as_text(reader.rest()) == "key!");
    server_.cancelled.push_back(target);
    if (ServerConnection& victim = server_.at(target); std::exchange(victim.is_running, false)) {
        victim.status = victim.status == TransactionStatus::Idle ? TransactionStatus::Idle
                                                                 : TransactionStatus::Failed;
        victim.say(error(sqlstate::kQueryCanceled, "canceling statement") + ready(victim.status));
    }
    server_.on_cancel(*this);
}

inline void ServerConnection::answer(const Request& request) {
    switch (static_cast<FrontendMessage>(request.type)) {
        case FrontendMessage::Query: answer_query(request.text()); return;
        case FrontendMessage::Parse: say(message(BackendMessage::ParseComplete, "")); return;
        case FrontendMessage::Bind: say(message(BackendMessage::BindComplete, "")); return;
        case FrontendMessage::Execute: say(completed("SELECT 1")); return;
        case FrontendMessage::Sync: say(ready(status)); return;
        case FrontendMessage::CopyFail:
            say(error(sqlstate::kQueryCanceled, "COPY failed") + ready(status));
            return;
        case FrontendMessage::CopyDone: say(completed("COPY 0") + ready(status)); return;
        case FrontendMessage::Terminate: hang_up(); return;
        default: return;
    }
}

inline void ServerConnection::answer_query(const std::string& sql) {
    if (sql == "SLOW" || sql == "DEAF") {
        is_running = sql == "SLOW";
        return;
    }
    if (sql == "COPY FROM") {
        say(copy_response(BackendMessage::CopyInResponse));
        return;
    }
    if (sql.empty()) {
        say(message(BackendMessage::EmptyQueryResponse, "") + ready(status));
        return;
    }
    if (sql == "BEGIN") {
        status = TransactionStatus::InTransaction;
    } else if (sql == "ROLLBACK" || sql == "COMMIT") {
        status = TransactionStatus::Idle;
    }
    say(completed(sql) + ready(status));
}

}  // namespace weir::test
