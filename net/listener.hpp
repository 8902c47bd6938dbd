#pragma once

#include "base/endpoint.hpp"
#include "net/event_loop.hpp"
#include "net/fd.hpp"
#include "net/uv_box.hpp"

#include <functional>
#include <memory>
#include <string>

namespace weir::net {

struct ListenOptions {
    int backlog = 1024;
    unsigned unix_socket_mode = 0770;
    std::string unix_socket_group = {};  ///< by name; "" = the process's own
};

/// A listening socket: accepts and hands over descriptors. When the process is out of descriptors
/// it rests for 100 ms instead of spinning. Its destructor stops listening and removes a unix
/// socket's file.
///
/// @thread its loop's
class Listener final : private DeadlineListener {
public:
    using OnAccept = std::function<void(Fd)>;

    /// @param problem what went wrong, for a person, when the result is null
    /// @param on_accept called with a non-blocking, close-on-exec descriptor
    [[nodiscard]] static std::unique_ptr<Listener> open(EventLoop& loop,
                                                        const Endpoint& endpoint,
                                                        const ListenOptions& options,
                                                        OnAccept on_accept,
                                                        std::string& problem);
    /// Goes on with a socket that somebody else has opened and listens at: its file is theirs.
    [[nodiscard]] static std::unique_ptr<Listener> adopt(EventLoop& loop,
                                                         Fd fd,
                                                         OnAccept on_accept);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    Listener(Listener&&) = delete;
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    /// @return where it listens, with the port the kernel chose when 0 was asked for
    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

    [[nodiscard]] int fd() const { return fd_.get(); }

private:
    Listener(EventLoop& loop, Endpoint endpoint, Fd fd, OnAccept on_accept);
    static void on_poll_trampoline(uv_poll_t* handle, int status, int events) noexcept;
    void start();
    void accept_some();
    void on_deadline(Deadline& deadline) override;

    EventLoop& loop_;
    Endpoint endpoint_;
    Fd fd_;
    UvBox<uv_poll_t> poll_;
    OnAccept on_accept_;
    Deadline rest_{*this};
    bool is_file_ours_ = true;
};

}  // namespace weir::net
