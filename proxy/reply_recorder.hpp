#pragma once

#include "base/bytes.hpp"
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
        TooLarge,
    };

    /// @param bytes_max of a reply
    /// @param behind what its ReadyForQuery is to say
    void begin(std::size_t bytes_max, protocol::TransactionStatus behind);
    /// Forgets what was recorded, and its memory.
    void end();
    /// The next bytes of the reply, and perhaps of what follows it, which is left alone.
    void feed(ByteView bytes);

    [[nodiscard]] State state() const { return state_; }

    /// @return the frames but for ReadyForQuery
    [[nodiscard]] ByteView reply() const { return reply_; }

    [[nodiscard]] std::uint64_t rows() const { return rows_; }

private:
    void begin_frame();
    void take_body(ByteView part);

    State state_ = State::Off;
    protocol::TransactionStatus behind_{};
    std::vector<std::byte> reply_;
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
