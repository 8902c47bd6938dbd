#pragma once

#include "base/bytes.hpp"
#include "base/sqlstate.hpp"
#include "net/write_batch.hpp"
#include "pool/missing_partition.hpp"
#include "protocol/message_type.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir::pool {

/// Why the server has refused a request that the client has heard nothing of.
struct TakenBack {
    SqlState sqlstate;
    std::optional<MissingPartition> partition;  ///< there was none for one of its rows
};

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

    /// What is to be kept back, and what is a reason to take it back.
    struct Wish {
        At at = At::Replica;
        /// SQLSTATEs and patterns of messages besides those that always are; outlives the hold.
        /// nullptr: of the primary's errors none is, but for what heals_partitions says.
        const std::vector<std::string>* also = nullptr;
        bool heals_partitions = false;  ///< a row for which there is no partition is one
    };

    void begin(const Wish& wish) {
        wish_ = wish;
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
    [[nodiscard]] std::optional<TakenBack> take_reason();

private:
    [[nodiscard]] std::optional<TakenBack> refusal_in(const std::optional<ByteView>& error) const;

    bool is_on_ = false;
    Wish wish_;
    std::optional<TakenBack> reason_;
    std::vector<std::byte> kept_;
};

}  // namespace weir::pool
