#pragma once

#include "base/bytes.hpp"
#include "base/sqlstate.hpp"
#include "net/write_batch.hpp"
#include "protocol/message_type.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir::pool {

/// Keeps the first replies to a request back until it is known that the request need not be run
/// once more: with the first row, the end of the first statement, or an error that is the
/// statement's own.
/// @thread its backend's
class ReplyHold {
public:
    /// More than this is not kept: the client gets what there is.
    static constexpr std::size_t kBytesMax = std::size_t{64} * 1024;

    enum class Verdict : std::uint8_t {
        Keep,     ///< nothing is decided by it
        Release,  ///< the client may have it and all before it
        TakeBack  ///< the client must not see any of it: take_reason() says why
    };

    enum class At : std::uint8_t {
        Replica,
        Primary,
        PrimaryToSync  ///< messages with one Execute: what ends it is committed by the Sync
    };

    /// @param also SQLSTATEs and patterns of messages that are no reason to tell the client either;
    /// outlives the hold
    void begin(At at, const std::vector<std::string>& also) {
        at_ = at;
        also_ = &also;
        is_on_ = true;
        reason_.reset();
        kept_.clear();
    }

    void end() {
        is_on_ = false;
        reason_.reset();
        kept_.clear();
    }

    [[nodiscard]] bool is_on() const { return is_on_; }

    [[nodiscard]] bool is_taken_back() const { return reason_.has_value(); }

    /// @param body of the message, where it is an error
    [[nodiscard]] Verdict look_at(protocol::BackendMessage type, std::optional<ByteView> body);

    [[nodiscard]] bool has_room_for(const net::WriteBatch& batch) const {
        return kept_.size() + batch.total() <= kBytesMax;
    }

    void keep(const net::WriteBatch& batch);

    /// @return what was kept, for the client now; nothing is kept any more
    [[nodiscard]] std::vector<std::byte> release();

    /// @return with which error the server has refused the request, once
    [[nodiscard]] std::optional<SqlState> take_reason();

private:
    [[nodiscard]] std::optional<SqlState> refusal_in(const std::optional<ByteView>& error) const;

    bool is_on_ = false;
    At at_ = At::Replica;
    const std::vector<std::string>* also_ = nullptr;
    std::optional<SqlState> reason_;
    std::vector<std::byte> kept_;
};

}  // namespace weir::pool
