#pragma once

#include <uv.h>

#include <memory>
#include <type_traits>
#include <utility>

namespace weir::net {

/// Owns one libuv handle whose memory must outlive its C++ owner by one loop turn.
///
/// The owner may be destroyed at any moment, also from inside one of its own callbacks: the box
/// first forgets the owner, then calls uv_close; the block is freed in the close callback and never
/// earlier.
///
/// @thread the loop's own
/// @source libuv docs/src/handle.rst (uv_close), design.rst
template <class Handle>
class UvBox {
public:
    UvBox() = default;

    /// @param init calls the uv_*_init of this handle; its result (0 or UV_E*) is kept in
    /// init_error()
    template <class Init>
    requires std::is_invocable_r_v<int, Init&, Handle*>

    explicit UvBox(Init init)
        : block_{std::make_unique<Block>()}, init_error_{init(&block_->handle)} {
        if (init_error_ != 0) {
            block_.reset();  // never initialised: must not be closed
            return;
        }
        block_->handle.data = block_.get();
    }

    UvBox(const UvBox&) = delete;
    UvBox& operator=(const UvBox&) = delete;

    UvBox(UvBox&& other) noexcept
        : block_{std::move(other.block_)}, init_error_{other.init_error_} {}

    UvBox& operator=(UvBox&& other) noexcept {
        if (this != &other) {
            close();
            block_ = std::move(other.block_);
            init_error_ = other.init_error_;
        }
        return *this;
    }

    ~UvBox() { close(); }

    [[nodiscard]] int init_error() const { return init_error_; }

    [[nodiscard]] bool is_open() const { return block_ != nullptr; }

    [[nodiscard]] Handle* get() const { return &block_->handle; }

    void set_owner(void* owner) { block_->owner = owner; }

    [[nodiscard]] static void* owner_of(const Handle* handle) {
        return static_cast<Block*>(handle->data)->owner;
    }

    void close() noexcept {
        if (block_ == nullptr) {
            return;
        }
        block_->owner = nullptr;
        uv_close(reinterpret_cast<uv_handle_t*>(&block_.release()->handle), &UvBox::on_closed);
    }

private:
    struct Block {
        Handle handle{};
        void* owner{nullptr};  // null once the owner let go; every trampoline checks it
    };

    static void on_closed(uv_handle_t* closed) noexcept {
        const std::unique_ptr<Block> freed{static_cast<Block*>(closed->data)};
    }

    std::unique_ptr<Block> block_;
    int init_error_ = 0;
};

}  // namespace weir::net
