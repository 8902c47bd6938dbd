#pragma once

#include "base/sqlstate.hpp"
#include "net/event_loop.hpp"
#include "net/stream.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

/// The end of what was asked, or of the connection.
struct OwnAnswer {
    bool is_open = true;            ///< it takes the next statement
    std::optional<SqlState> error;  ///< nothing: there was none
    std::string message;            ///< of that, for people; may quote the statement
};

/// This process as a client of itself, at the other end of an OwnSession's connection: asks one
/// statement after another as any client does, and takes no interest in the rows.
///
/// Lives on its loop. It may be handed to EventLoop::defer_delete() while it tells of an answer.
class OwnClient final : private net::StreamListener {
public:
    using OnAnswer = std::function<void(const OwnAnswer&)>;

    /// @param on_answer to the login and to each statement; once more when the connection ends
    OwnClient(net::EventLoop& loop, net::Fd fd, OnAnswer on_answer);
    OwnClient(const OwnClient&) = delete;
    OwnClient& operator=(const OwnClient&) = delete;
    OwnClient(OwnClient&&) = delete;
    OwnClient& operator=(OwnClient&&) = delete;
    ~OwnClient() = default;

    void log_in(const std::string& database,
                const std::string& user,
                const std::map<std::string, std::string>& parameters);
    void ask(std::string_view statement);

    /// Says goodbye; nothing is told from here on.
    void leave();

private:
    std::size_t on_bytes(ByteView bytes) override;

    void on_drained() override {}

    void on_closed(const Error& reason) override;
    [[nodiscard]] std::size_t take(ByteView bytes);
    void take_whole(char type, ByteView body);
    void end();

    net::Stream stream_;
    OnAnswer on_answer_;
    OwnAnswer answer_;           // as far as it has come
    std::size_t body_left_ = 0;  // of a message that nobody wants to know
};

}  // namespace weir::proxy
