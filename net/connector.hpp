#pragma once

#include "base/endpoint.hpp"
#include "base/result.hpp"
#include "net/event_loop.hpp"
#include "net/fd.hpp"
#include "net/socket.hpp"
#include "net/uv_box.hpp"

#include <cstddef>
#include <functional>
#include <vector>

namespace weir::net {

/// One attempt to connect: resolves a name (off the loop), tries its addresses one after the other,
/// ends by a deadline. Destroying it gives up; nothing is called then.
///
/// @thread its loop's
class Connector final : private DeadlineListener {
public:
    /// Called once, never from within the constructor. The Connector may be destroyed in it through
    /// defer_delete().
    using OnDone = std::function<void(Result<Fd>)>;

    Connector(EventLoop& loop, const Endpoint& endpoint, TimePoint due, OnDone on_done);
    Connector(const Connector&) = delete;
    Connector& operator=(const Connector&) = delete;
    Connector(Connector&&) = delete;
    Connector& operator=(Connector&&) = delete;
    ~Connector();

private:
    struct Lookup;
    static void on_resolved_trampoline(uv_getaddrinfo_t* request,
                                       int status,
                                       addrinfo* found) noexcept;
    static void on_poll_trampoline(uv_poll_t* handle, int status, int events) noexcept;
    void give_up();
    void resolve(const Endpoint& endpoint);
    void on_resolved(int status, const addrinfo* found);
    void try_next();
    void on_writable();
    void on_deadline(Deadline& deadline) override;
    void finish(Result<Fd> result);

    EventLoop& loop_;
    OnDone on_done_;
    Deadline deadline_{*this};
    std::vector<SocketAddress> addresses_;
    std::size_t next_ = 0;
    int last_error_ = 0;
    Fd fd_;
    UvBox<uv_poll_t> poll_;
    Lookup* lookup_ = nullptr;  // owned by libuv until its callback; told when we are gone
};

}  // namespace weir::net
