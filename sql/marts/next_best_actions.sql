-- What to do for whom today, and what comes first.
with triggers as (
    select * from intermediate.action_triggers
),

actions as (
    select * from seeds.actions
),

known_customers as (
    select * from intermediate.known_customers
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

channel_preference as (
    select * from marts.channel_preference
),

customer_value as (
    select * from marts.customer_value
),

lead_scores as (
    select * from marts.lead_scores
),

lead_score_bands as (
    select * from marts.lead_score_bands
),

planned as (
    select
        triggers.customer_id,
        triggers.action,
        actions.priority,
        actions.kind_when_done,
        triggers.triggered_on,
        triggers.is_standing,
        triggers.has_cooldown,
        add_days(
            triggers.triggered_on,
            coalesce(triggers.due_after_days, actions.due_after_days, 0)
        ) as first_due_on,
        coalesce(triggers.expires_after_days, actions.expires_after_days)
            as expires_after_days,
        coalesce(actions.cooldown_days, 0) as cooldown_days,
        triggers.reason
    from triggers
    inner join actions on triggers.action = actions.action
    inner join known_customers
        on triggers.customer_id = known_customers.customer_id
    where known_customers.is_contactable
),

-- What stands falls due again, cooldown_days after it last did.
rounds as (
    select
        *,
        case
            when is_standing and first_due_on <= $as_of
                then
                    add_days(
                        first_due_on,
                        days_between(first_due_on, $as_of)
                        / greatest(cooldown_days, 1)
                        * greatest(cooldown_days, 1)
                    )
            else first_due_on
        end as due_on
    from planned
),

open_actions as (
    select
        *,
        add_days(due_on, expires_after_days) as expires_on
    from rounds
    where
        due_on <= $as_of
        and (
            expires_after_days is null
            or add_days(due_on, expires_after_days) > $as_of
        )
),

kinds_when_done as (
    select kind_when_done as kind
    from actions
    where kind_when_done is not null
    group by kind_when_done
),

done as (
    select
        customer_interactions.customer_id,
        customer_interactions.kind,
        max(customer_interactions.day) as done_on
    from customer_interactions
    inner join kinds_when_done
        on customer_interactions.kind = kinds_when_done.kind
    where customer_interactions.is_outbound
    group by customer_interactions.customer_id, customer_interactions.kind
),

due as (
    select open_actions.*
    from open_actions
    left join done
        on
            open_actions.customer_id = done.customer_id
            and open_actions.kind_when_done = done.kind
    where
        done.done_on is null
        or not open_actions.has_cooldown
        or (
            done.done_on < open_actions.due_on
            and add_days(done.done_on, open_actions.cooldown_days) < $as_of
        )
),

-- Summed as decimals: sums of doubles depend on the order of rows.
mean_values as (
    select
        cast(sum(cast(clv as decimal(38, 12))) as double)
        / nullif(count(clv), 0) as clv
    from customer_value
),

final as (
    select
        due.customer_id,
        due.action,
        due.priority,
        -- one window over all is many times faster than one per customer
        lag(due.customer_id) over (
            order by due.customer_id, due.priority, due.action
        ) is distinct from due.customer_id as is_best,
        due.reason,
        channel_preference.preferred_channel as channel,
        case
            when customer_value.customer_id is not null
                then customer_value.clv
            else lead_score_bands.conversion_rate * mean_values.clv
        end as expected_value,
        due.triggered_on,
        due.due_on,
        due.expires_on,
        due.kind_when_done
    from due
    cross join mean_values
    left join channel_preference
        on due.customer_id = channel_preference.customer_id
    left join customer_value on due.customer_id = customer_value.customer_id
    left join lead_scores on due.customer_id = lead_scores.customer_id
    left join lead_score_bands on lead_scores.grade = lead_score_bands.grade
)

select * from final
