#pragma once

#include "base/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct redisReader;
struct redisReply;

namespace weir::cache {

/// A view of one reply of Redis; a part of an array is one, too. Asked for what it is not, it
/// answers with nothing: "", 0 or Nil.
///
/// @valid as long as the OwnedReply it is of
class Reply {
public:
    enum class Kind : std::uint8_t { Nil, Text, Integer, Status, Error, Array };

    Reply() = default;

    explicit Reply(const redisReply* raw) : raw_{raw} {}

    [[nodiscard]] Kind kind() const;
    /// @return a Text's, Status' or Error's
    [[nodiscard]] std::string_view text() const;
    [[nodiscard]] std::int64_t integer() const;
    /// @return how many parts an Array has
    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] Reply at(std::size_t index) const;

    [[nodiscard]] bool is_error() const { return kind() == Kind::Error; }

private:
    const redisReply* raw_ = nullptr;
};

class OwnedReply {
public:
    OwnedReply() = default;

    explicit OwnedReply(redisReply* raw) : raw_{raw} {}

    [[nodiscard]] Reply view() const { return Reply{raw_.get()}; }

private:
    struct Free {
        void operator()(redisReply* raw) const;
    };

    std::unique_ptr<redisReply, Free> raw_;
};

/// Takes the bytes of one connection apart into replies: hiredis' parser.
///
/// hiredis' own asynchronous connections are not used: version 0.14 ends the process by assert()
/// when a reply comes that nobody has asked for, and mixes up a PING's answer with messages on a
/// connection that subscribes. Its parser and what net/ has of connections have neither problem.
class ReplyReader {
public:
    /// No reply of ours is as large; more of one reply than this is no Redis.
    static constexpr std::size_t kReplyBytesMax = std::size_t{64} * 1024 * 1024;

    enum class Status : std::uint8_t { Complete, NeedMore, Invalid };

    ReplyReader();

    void feed(ByteView bytes);
    /// @param reply set where Complete is returned
    /// @return Invalid: the bytes are no replies, and nothing that follows can be understood
    [[nodiscard]] Status next(OwnedReply& reply);

private:
    struct Free {
        void operator()(redisReader* raw) const;
    };

    std::unique_ptr<redisReader, Free> raw_;
};

/// Appends one command as Redis reads it, whatever bytes its words have.
void append_command(std::string& out, std::span<const std::string_view> words);

}  // namespace weir::cache
