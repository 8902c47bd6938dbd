#include "net/turn_end.hpp"

#include <utility>

namespace weir::net {

TurnEnd::TurnEnd(EventLoop& loop, std::function<void()> on_end)
    : loop_{loop}, on_end_{std::move(on_end)}, prepare_{[&loop](uv_prepare_t* handle) {
          return uv_prepare_init(loop.raw(), handle);
      }} {
    WEIR_CHECK(prepare_.init_error() == 0);  // libuv never fails at this one
    prepare_.set_owner(this);
}

void TurnEnd::arm() {
    WEIR_ASSERT(loop_.is_current());
    uv_prepare_start(prepare_.get(), &TurnEnd::on_prepare_trampoline);
}

void TurnEnd::on_prepare_trampoline(uv_prepare_t* handle) noexcept {
    uv_prepare_stop(handle);
    if (auto* self = static_cast<TurnEnd*>(UvBox<uv_prepare_t>::owner_of(handle));
        self != nullptr) {
        const auto on_end = self->on_end_;  // it may destroy this
        on_end();
    }
}

}  // namespace weir::net
