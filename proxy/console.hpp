#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "protocol/message_type.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace weir::proxy {

/// A database that is answered here: one client's session with it. Lives on the client's loop;
/// sans-I/O.
class Console {
public:
    Console() = default;
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;
    Console(Console&&) = delete;
    Console& operator=(Console&&) = delete;
    virtual ~Console() = default;

    /// Appends the ParameterStatus messages of the login.
    virtual void write_welcome(ByteWriter& writer) = 0;
    /// @param body a whole message's body
    virtual void on_message(protocol::FrontendMessage type, ByteView body) = 0;
    /// @return whether an answer is being waited for: nothing more may be fed until on_ready was
    /// called
    [[nodiscard]] virtual bool busy() const = 0;
    /// @return when on_time() must be called: what is waited for will not be waited for any longer;
    /// kNever while not busy
    [[nodiscard]] virtual TimePoint deadline() const = 0;
    virtual void on_time(TimePoint now) = 0;
    /// The client has sent a cancel request: what is waited for is given up, with an error.
    virtual void cancel() = 0;
    /// @return whether the client broke the protocol and has been told so: nothing more may be fed
    [[nodiscard]] virtual bool wants_close() const = 0;
};

/// What a console needs from the client it talks to.
struct ConsoleClient {
    /// How the client has shown who it is. SameProcessOwner: the kernel says that it runs as the
    /// user that we run as.
    enum class Proof : std::uint8_t { Login, SameProcessOwner };
    Proof proof = Proof::Login;
    std::string user;
    std::string address;  ///< numeric, or "unix"
    std::function<void(std::function<void()>)>
        post;  ///< runs something on the client's loop; any thread may call it
    std::function<void(ByteView)> send;
    std::function<void()> on_ready;
};

class ConsoleFactory {
public:
    ConsoleFactory() = default;
    ConsoleFactory(const ConsoleFactory&) = delete;
    ConsoleFactory& operator=(const ConsoleFactory&) = delete;
    ConsoleFactory(ConsoleFactory&&) = delete;
    ConsoleFactory& operator=(ConsoleFactory&&) = delete;
    virtual ~ConsoleFactory() = default;

    /// @return nullptr when this user may not look. Thread: any worker's.
    [[nodiscard]] virtual std::unique_ptr<Console> open(ConsoleClient client) = 0;
};

}  // namespace weir::proxy
