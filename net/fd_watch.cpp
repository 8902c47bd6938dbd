#include "net/fd_watch.hpp"

#include <utility>

namespace weir::net {

FdWatch::FdWatch(EventLoop& loop, int fd, std::function<void()> on_ready)
    : loop_{loop}, on_ready_{std::move(on_ready)}, poll_{[&loop, fd](uv_poll_t* handle) {
          return uv_poll_init(loop.raw(), handle, fd);
      }} {
    if (poll_.is_open()) {
        poll_.set_owner(this);
    }
}

void FdWatch::wait(Until until) {
    uv_poll_start(poll_.get(),
                  until == Until::Readable ? UV_READABLE : UV_WRITABLE,
                  &FdWatch::on_poll_trampoline);
}

void FdWatch::stop() {
    uv_poll_stop(poll_.get());
}

void FdWatch::on_poll_trampoline(uv_poll_t* handle, int /*status*/, int /*events*/) noexcept {
    if (auto* self = static_cast<FdWatch*>(UvBox<uv_poll_t>::owner_of(handle)); self != nullptr) {
        self->loop_.refresh_now();
        const auto on_ready = self->on_ready_;  // it may destroy the watch
        on_ready();
    }
}

}  // namespace weir::net
