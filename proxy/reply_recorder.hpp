#pragma once

#include "base/bytes.hpp"
#include "cache/draft.hpp"
#include "protocol/frame.hpp"
#include "protocol/message_type.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::proxy {

/// Keeps the reply to one request as it passes by, in whatever pieces, up to its ReadyForQuery.
/// @thread its owner's
class ReplyRecorder {
public:
    enum class State : std::uint8_t {
        Off,
        Recording,
        Complete,  ///< reply() is all of it
        Failed,    ///< it has an error
        Unfit,  ///< something else than one result: notices, a COPY, a transaction begun or ended
        TooLarge,  ///< or there is no room for it
    };

    /// @param bytes_max of a reply
    /// @param behind what its ReadyForQuery is to say
    /// @param draft empty: what it is collected in
    void begin(std::size_t bytes_max, protocol::TransactionStatus behind, cache::Draft draft = {});
    /// Forgets what was recorded, and its memory.
    void end();
    /// The next bytes of the reply, and perhaps of what follows it, which is left alone.
    void feed(ByteView bytes);

    [[nodiscard]] State state() const { return state_; }

    /// @return the frames but for ReadyForQuery, in pieces; valid until end()
    [[nodiscard]] std::vector<ByteView> reply() const { return reply_.pieces(); }

    /// An entry is about to be made of the reply: its memory does not count beside that any more.
    void yield() { reply_.yield(); }

    [[nodiscard]] std::uint64_t rows() const { return rows_; }

private:
    void begin_frame();
    void take_body(ByteView part);
    void keep(ByteView bytes);

    State state_ = State::Off;
    protocol::TransactionStatus behind_{};
    cache::Draft reply_;
    std::size_t bytes_max_ = 0;
    std::uint64_t rows_ = 0;
    std::array<std::byte, protocol::kHeaderBytes> header_{};
    std::size_t header_bytes_ = 0;  // of the frame that is being read
    std::size_t body_left_ = 0;
    bool is_ready_ = false;  // it is a ReadyForQuery
    unsigned ends_ = 0;      // of results
    bool is_ended_ = false;  // the last frame was one
};

}  // namespace weir::proxy
