daService.OnSubscriptionDataChanged.on((message) => {
    console.log("Subscription result: " + JSON.stringify(message.subscription, null, 2) + ". Data: " + JSON.stringify(message.data, null, 2));
});
