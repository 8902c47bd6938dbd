#include "cache/redis/redis_reply.hpp"

#include "base/check.hpp"

#include <hiredis/hiredis.h>

#include <charconv>
#include <limits>

namespace weir::cache {

namespace {

/// "$12\r\n": what stands before a count.
void append_header(std::string& out, char kind, std::size_t count) {
    char digits[std::numeric_limits<std::size_t>::digits10 + 1];
    const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), count);
    WEIR_ASSERT(error == std::errc{});
    out += kind;
    out.append(digits, end);
    out += "\r\n";
}

}  // namespace

Reply::Kind Reply::kind() const {
    switch (raw_ == nullptr ? REDIS_REPLY_NIL : raw_->type) {
        case REDIS_REPLY_STRING: return Kind::Text;
        case REDIS_REPLY_ARRAY: return Kind::Array;
        case REDIS_REPLY_INTEGER: return Kind::Integer;
        case REDIS_REPLY_STATUS: return Kind::Status;
        case REDIS_REPLY_ERROR: return Kind::Error;
        default: return Kind::Nil;
    }
}

std::string_view Reply::text() const {
    const Kind is = kind();
    return is == Kind::Text || is == Kind::Status || is == Kind::Error
               ? std::string_view{raw_->str, raw_->len}
               : std::string_view{};
}

std::int64_t Reply::integer() const {
    return kind() == Kind::Integer ? raw_->integer : 0;
}

std::size_t Reply::size() const {
    return kind() == Kind::Array ? raw_->elements : 0;
}

Reply Reply::at(std::size_t index) const {
    return index < size() ? Reply{raw_->element[index]} : Reply{};
}

void OwnedReply::Free::operator()(redisReply* raw) const {
    freeReplyObject(raw);
}

void ReplyReader::Free::operator()(redisReader* raw) const {
    redisReaderFree(raw);
}

ReplyReader::ReplyReader() : raw_{redisReaderCreate()} {
    WEIR_CHECK(raw_ != nullptr);  // out of memory
}

void ReplyReader::feed(ByteView bytes) {
    const std::string_view text = as_text(bytes);
    static_cast<void>(redisReaderFeed(raw_.get(), text.data(), text.size()));  // next() tells
}

ReplyReader::Status ReplyReader::next(OwnedReply& reply) {
    void* raw = nullptr;
    if (redisReaderGetReply(raw_.get(), &raw) != REDIS_OK) {
        return Status::Invalid;
    }
    if (raw == nullptr) {
        return raw_->len > kReplyBytesMax ? Status::Invalid : Status::NeedMore;
    }
    reply = OwnedReply{static_cast<redisReply*>(raw)};
    return Status::Complete;
}

void append_command(std::string& out, std::span<const std::string_view> words) {
    append_header(out, '*', words.size());
    for (const std::string_view word : words) {
        append_header(out, '$', word.size());
        out += word;
        out += "\r\n";
    }
}

}  // namespace weir::cache
