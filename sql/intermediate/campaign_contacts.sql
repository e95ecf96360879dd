-- What passed between a campaign and each customer: one row for both, however
-- many messages there were.
with campaign_interactions as (
    select * from intermediate.campaign_interactions
),

identity_members as (
    select * from intermediate.identity_members
),

-- An answer shows that its message came, whichever way it was recorded.
described as (
    select
        campaign_interactions.campaign_id,
        coalesce(
            identity_members.customer_id, campaign_interactions.customer_id
        ) as customer_id,
        campaign_interactions.day,
        campaign_interactions.occurred_at,
        campaign_interactions.interaction_id,
        campaign_interactions.response,
        campaign_interactions.response in ('positive', 'negative', 'later')
            as is_answer
    from campaign_interactions
    left join identity_members
        on campaign_interactions.customer_id = identity_members.landed_id
    where
        campaign_interactions.day <= $as_of
        and (
            campaign_interactions.direction = 'outbound'
            or campaign_interactions.response
            in ('positive', 'negative', 'later')
        )
),

final as (
    select
        campaign_id,
        customer_id,
        min(day) as first_contact_on,
        max(day) as last_contact_on,
        first_value(
            response order by occurred_at desc, interaction_id
        ) filter (where is_answer) as answer
    from described
    group by campaign_id, customer_id
)

select * from final
