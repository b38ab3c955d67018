
/// <summary>The argument of MessageReceived.</summary>
/// <remarks>
/// Receive it as RteMessage&lt;JsonElement&gt;, look its event up in <see cref="EventTypes.ByName"/>, and read the data as that type.
/// </remarks>
/// <typeparam name="T">The type of the data.</typeparam>
public sealed class RteMessage<T>
{
    /// <summary>What the event was sent for.</summary>
    [JsonPropertyName("subscription")]
    public RteSubscription Subscription { get; set; } = new RteSubscription();

    /// <summary>The event's data.</summary>
    [JsonPropertyName("data")]
    public T Data { get; set; } = default!;

    /// <summary>Whether it is the last of its key: what is kept of that ends.</summary>
    [JsonPropertyName("last")]
    public bool Last { get; set; }
}

/// <summary>What an event was sent for; also an item of Subscribe and Unsubscribe.</summary>
public sealed class RteSubscription
{
    /// <summary>The user, queue or call list that the event is about.</summary>
    [JsonPropertyName("entityId")]
    public Guid EntityId { get; set; }

    /// <summary>The event's name; in lower case in a message.</summary>
    [JsonPropertyName("eventName")]
    public string EventName { get; set; } = "";
}
